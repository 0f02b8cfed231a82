"""The table of dialects, in the order they are asked. One file each; adding one is a file and a line here."""

from lensd_log.dialects.csv_table import CSV
from lensd_log.dialects.hf_trainer import HF_TRAINER
from lensd_log.dialects.json_lines import JSON_LINES
from lensd_log.dialects.keras import KERAS
from lensd_log.dialects.keyvalue import KEY_VALUE
from lensd_log.dialects.lightgbm import LIGHTGBM
from lensd_log.dialects.megatron import MEGATRON
from lensd_log.dialects.runicorn_events import RUNICORN
from lensd_log.dialects.xgboost import XGBOOST
from lensd_log.record import Dialect

#: Specific ones first; generic ones are asked only while nothing specific has matched in a file.
DIALECTS: tuple[Dialect, ...] = (
    MEGATRON,
    HF_TRAINER,
    KERAS,
    XGBOOST,
    LIGHTGBM,
    RUNICORN,
    JSON_LINES,
    CSV,
    KEY_VALUE,
)
