"""`make demo`: serve the sample runs of the repository, and one that a small training loop is writing.

Copies the samples to `.demo/runs`, starts the loop and the daemon, and prints requests to try. Ctrl-C
ends everything. Extra arguments go to `lensd serve` (`make demo` uses port 8080, or any free one).
"""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

from eventful import write_run

ROOT = Path(__file__).resolve().parents[1]
SAMPLES = ROOT / "tests" / "data" / "runs"
FOLDER = ROOT / ".demo"

REQUESTS = """
Open {base}/ for the curves. Or ask, in another terminal:

  curl {base}/api/v1/workloads
  curl {base}/api/v1/workloads/torch-mlp-1/metrics/available
  curl -g '{base}/api/v1/workloads/torch-mlp-1/metrics/data?metrics={{loss,val_loss}}&data_source=log'
  curl '{base}/api/v1/workloads/live-1/metrics/data?metrics=loss&data_source=log'
  curl '{base}/api/runs/hf-gpt2-1/metrics_step?downsample=100'

Ctrl-C ends the demo.
"""


def main() -> int:
    for number in (signal.SIGINT, signal.SIGTERM):  # shells start background jobs with SIGINT ignored
        signal.signal(number, signal.default_int_handler)
    runs = FOLDER / "runs"
    shutil.rmtree(FOLDER, ignore_errors=True)
    shutil.copytree(SAMPLES, runs)
    (runs / "live-1").mkdir()
    (runs / "exp-7").mkdir()
    write_run(runs / "exp-7" / "train.log")
    training = subprocess.Popen(
        [sys.executable, str(ROOT / "demo" / "training.py"), str(runs / "live-1" / "train.log")]
    )
    daemon = subprocess.Popen(
        [
            *(sys.executable, "-m", "lensd", "serve", str(runs)),
            *("--db", str(FOLDER / "lensd.db"), "--port", str(_port(8080)), *sys.argv[1:]),
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert daemon.stdout is not None
        for line in daemon.stdout:
            print(line, end="", flush=True)
            if "listening on" in line:
                print(REQUESTS.format(base=line.split()[-1].rstrip("/")), flush=True)
        return daemon.wait()
    except KeyboardInterrupt:
        daemon.terminate()  # Ctrl-C reaches the daemon too; SIGTERM reaches only this process
        return daemon.wait()
    finally:
        training.terminate()
        if daemon.poll() is None:
            daemon.terminate()
        training.wait()
        daemon.wait()


def _port(preferred: int) -> int:
    """The port if it is free, else 0: the daemon then takes any free one."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", preferred))
        except OSError:
            return 0
    return preferred


if __name__ == "__main__":
    sys.exit(main())
