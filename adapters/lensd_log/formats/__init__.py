"""The table of log formats, in the order they are tried. To add one, write a file here and a line below.

A log format's file holds a docstring with sample lines and where the format comes from, regular expressions
in which every repetition is bounded and no two parts can match the same text (a hostile line must cost no
more than its length), a function from `Entry` and `State` to records, and the `LogFormat` made of them. What
a later line depends on (an epoch's header, an open block, column names) goes into `State`, as JSON: it is
kept in the cursor. Golden lines go to tests/log/golden.

    _LINE = re.compile(rf"it (\\d{{1,12}}) goodness ({NUMBER})\\Z")

    def _parse(entry: Entry, state: State) -> Parsed:
        match = _LINE.match(entry.text)
        return (Record([("goodness", to_float(match[2]))], int(match[1])),) if match else None

    MINE = LogFormat("mine", _parse, needles=("goodness",), framework="mine")
"""

from lensd_log.formats.accelerate import ACCELERATE
from lensd_log.formats.basicsr import BASICSR
from lensd_log.formats.caffe import CAFFE
from lensd_log.formats.catboost import CATBOOST
from lensd_log.formats.composer import COMPOSER
from lensd_log.formats.coqui import COQUI
from lensd_log.formats.csv_table import CSV
from lensd_log.formats.darknet import DARKNET
from lensd_log.formats.deepspeed import DEEPSPEED
from lensd_log.formats.detectron2 import DETECTRON2
from lensd_log.formats.espnet import ESPNET
from lensd_log.formats.fairseq import FAIRSEQ, FAIRSEQ_JSON
from lensd_log.formats.hf_trainer import HF_TRAINER
from lensd_log.formats.icefall import ICEFALL
from lensd_log.formats.jax_trainers import CLU, MAXTEXT, T5_MESH
from lensd_log.formats.json_lines import JSON_LINES
from lensd_log.formats.kaldi import KALDI
from lensd_log.formats.keras import KERAS
from lensd_log.formats.lightgbm import LIGHTGBM
from lensd_log.formats.lightning_results import LIGHTNING_RESULTS
from lensd_log.formats.megatron import MEGATRON
from lensd_log.formats.metric_logger import METRIC_LOGGER
from lensd_log.formats.mindspore import MINDSPORE
from lensd_log.formats.mlperf import DLLOGGER, MLPERF
from lensd_log.formats.mxnet import MXNET
from lensd_log.formats.nanogpt import LLM_C, MODDED_NANOGPT, NANOGPT
from lensd_log.formats.nemo import NEMO
from lensd_log.formats.nnunet import NNUNET
from lensd_log.formats.olmo import OLMO
from lensd_log.formats.openmmlab import OPENMMLAB
from lensd_log.formats.paddle import PADDLE
from lensd_log.formats.progress_bars import PROGRESS_BARS
from lensd_log.formats.pycocotools import PYCOCOTOOLS
from lensd_log.formats.pytorch_examples import IMAGENET, MNIST
from lensd_log.formats.rl_tables import RL_TABLES
from lensd_log.formats.rllib import RLLIB
from lensd_log.formats.runicorn_events import RUNICORN
from lensd_log.formats.tables import TABLES
from lensd_log.formats.tf_estimator import TF_ESTIMATOR
from lensd_log.formats.timm import TIMM
from lensd_log.formats.torchtitan import TORCHTITAN
from lensd_log.formats.translation import TRANSLATION
from lensd_log.formats.ultralytics import ULTRALYTICS
from lensd_log.formats.verl import VERL
from lensd_log.formats.xgboost import XGBOOST
from lensd_log.line.record import LogFormat

#: Specific formats come first. Generic ones are tried only while no specific one has matched in the file.
LOG_FORMATS: tuple[LogFormat, ...] = (
    NEMO,
    MEGATRON,
    DEEPSPEED,
    TORCHTITAN,
    VERL,
    MAXTEXT,
    CLU,
    T5_MESH,
    MODDED_NANOGPT,
    NANOGPT,
    LLM_C,
    OLMO,
    COMPOSER,
    MLPERF,
    DLLOGGER,
    FAIRSEQ,
    FAIRSEQ_JSON,
    ESPNET,
    ICEFALL,
    KALDI,
    METRIC_LOGGER,
    IMAGENET,
    MNIST,
    TIMM,
    DETECTRON2,
    OPENMMLAB,
    PADDLE,
    MINDSPORE,
    MXNET,
    ULTRALYTICS,
    DARKNET,
    CAFFE,
    TF_ESTIMATOR,
    CATBOOST,
    TRANSLATION,
    NNUNET,
    COQUI,
    BASICSR,
    RL_TABLES,
    RLLIB,
    PYCOCOTOOLS,
    ACCELERATE,
    LIGHTNING_RESULTS,
    PROGRESS_BARS,
    HF_TRAINER,
    KERAS,
    XGBOOST,
    LIGHTGBM,
    RUNICORN,
    JSON_LINES,
    CSV,
    TABLES,
)
