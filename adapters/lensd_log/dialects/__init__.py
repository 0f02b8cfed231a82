"""The table of dialects, in the order they are asked. Adding one is a file here and a line below.

A dialect's file holds a docstring with sample lines and where the format comes from, regular expressions
in which every repetition is bounded and no two parts can match the same text (a hostile line must cost no
more than its length), a function from `Entry` and `State` to records, and the `Dialect` made of them. What
has to be remembered from line to line (an epoch's header, an open block, the names of columns) goes into
`State`, as JSON: it is kept in the cursor. Golden lines go to tests/log/golden.

    _LINE = re.compile(rf"it (\\d{{1,12}}) goodness ({NUMBER})\\Z")

    def _parse(entry: Entry, state: State) -> Parsed:
        found = _LINE.match(entry.text)
        return (Record([("goodness", to_float(found[2]))], int(found[1])),) if found else None

    MINE = Dialect("mine", _parse, needles=("goodness",), framework="mine")
"""

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
