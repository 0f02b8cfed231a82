"""Run in TensorBoard's environment: starts its Rust data server on the folder at argv[1] and returns when the
last step (argv[2]) of all tags (argv[3]) can be read. Prints the seconds from start to there."""

import sys
import time

from tensorboard.context import RequestContext
from tensorboard.data import server_ingester
from tensorboard.util import grpc_util

folder, last_step, tags = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
began = time.perf_counter()
ingester = server_ingester.SubprocessServerDataIngester(
    server_binary=server_ingester.get_server_binary(),
    logdir=folder,
    reload_interval=0,
    channel_creds_type=grpc_util.ChannelCredsType.LOCAL,
    samples_per_plugin={"scalars": 1_000_000},
)
ingester.start()
while True:
    runs = ingester.data_provider.list_scalars(RequestContext(), experiment_id="", plugin_name="scalars")
    series_read = [series for run in runs.values() for series in run.values()]
    if len(series_read) == tags and all(series.max_step >= last_step for series in series_read):
        break
    time.sleep(0.002)
print(time.perf_counter() - began)
