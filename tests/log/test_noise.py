"""What must not become metrics, and lines made to hurt."""

import ast
import random
import time
from pathlib import Path

import pytest

from lensd_log import LogAdapter
from lensd_log.formats import LOG_FORMATS
from lensd_log.line.prefixes import strip_prefixes
from lensd_log.line.record import Entry
from tests.log import fuzz
from tests.log.reading import read, write

NOISE = """\
[LightGBM] [Warning] No further splits with positive gain, best gain: -inf
Attempted loss scale: 256, reducing to 128
[Rank 0] (after 10 iterations) memory (MB) | allocated: 1464.33 | max allocated: 1464.34 | reserved: 1576.0
print(f"step:{step}/{total} val_loss:{val_loss:.4f} train_time:{t:.0f}ms")
    logger.info("step %d loss: %.3f", step, loss)
if step == 100: loss = 0.5
loss = criterion(x, y); step = 5
optimizer: AdamW lr=0.0003 betas=(0.9, 0.95) weight_decay=0.1
The loss at step 5 was about 3 times higher than expected.
Iteration 3 of the design review: budget=5
numpy==1.26.4
torch>=2.1,<3
  --learning-rate 3e-4 --train-iters 1000
{"event": "listening", "port": 8080, "pid": 17}
{"model": {"hidden": 768}, "seed": 42}
| 0 | net | Linear | 17 | train |
Total params: 17
    total number of samples: 46
[12:00:00] WARNING: src/learner.cc:1061: Starting in XGBoost 1.3.0
a,b,c
1,2,3
Downloading: 100%|##########| 5/5 [00:01<00:00, 4.5MB/s]
http://host/step=5?loss=0.5
2024-03-01 10:00:00 - INFO - loaded 5 files in 3.2s, time: 5
Traceback (most recent call last):
  File "train.py", line 10, in step
step: 5
epoch 3
time (ms) | forward-compute: 306.62 | backward-compute: 575.17
level=info msg="step 5" loss="0.5"
"""


@pytest.mark.parametrize("line", NOISE.splitlines())
def test_noise_gives_no_points(line: str, tmp_path: Path) -> None:
    assert read(write(tmp_path / "x.log", line.encode() + b"\n")).points == {}


def test_all_noise_together_gives_no_points(tmp_path: Path) -> None:
    assert read(write(tmp_path / "x.log", NOISE.encode())).points == {}


def code_of(path: Path) -> str:
    """A module without its docstrings, which quote lines of logs."""
    source = path.read_text()
    lines = source.splitlines()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            for number in range(node.lineno - 1, node.end_lineno or node.lineno):
                lines[number] = ""
    return "\n".join(lines)


@pytest.mark.slow
def test_the_source_code_of_these_log_formats_gives_no_points(tmp_path: Path) -> None:
    root = Path(__file__).parents[2] / "adapters" / "lensd_log"
    source = "\n".join(code_of(path) for path in sorted(root.rglob("*.py")))
    assert read(write(tmp_path / "x.log", source.encode())).points == {}


N = 30_000
HOSTILE = [
    '{"a":' + "[" * 30_000,
    '{"log":"x","time":' + "[" * 30_000,
    "{" + '"a":{' * 30_000,
    "step 1 " + "a" * N,
    "step 1 " + "loss=" * N,
    "step 1 loss" + " " * N + "=1",
    "step 1 " + "a=1 " * N,
    "step 1 " + "1" * N,
    "step 1 loss=" + "1" * N,
    "step 1 loss=" + "1," * N,
    "iteration 1/ 2 |" + "a" * N,
    "iteration 1/ 2 |" + "a:" * N,
    "iteration" + " " * N + "1/ 2 |",
    "iteration 1/" + "9" * N,
    "iteration " * N,
    "validation loss at " + "x" * N,
    "validation loss at " * N,
    "{'loss': " + "1" * N + "}",
    "{'" * N,
    "{'loss': '" * N,
    "'a': 1, " * N,
    "{" * N,
    '{"a":' * N,
    "[" * N,
    "[1]\t" + "a-b:1" * N,
    "[1]\t" + "a" * N + "-",
    "[1] " * N,
    "[10]\ttraining's " + "l" * N,
    "'s " * N,
    "[LightGBM] [Info] Iteration:1, " + "x " * N,
    "Epoch 1/2" + " " * N + "x",
    "1/2 [" + "=" * N,
    "1/2 " + "━" * N,
    "50/50 - 1s - " + "loss - " * N,
    "50%|" + "#" * N,
    "50%|#| 1/2 [" * N,
    "\r50%|#| 1/2 [00:01<" * N,
    "\r" * N,
    "a," * N,
    "epoch," + "x," * N,
    '"' * N,
    '"a,' * N,
    "2024-" * N,
    "[INFO] " * N,
    "INFO:" * N,
    "- " * N,
    " " * N + "x",
    "\t" * N,
    "((((" * N,
    "[" + "x" * N + ".py:10]",
    "x" * N + ":1",
    "\x1b[" * N,
    "\x1b]" + "x" * N,
    "1e" * N,
    "nan" * N,
    "loss: 0.5" * N,
    "loss" + '"' * N,
    "step" + " " * N,
    "epoch 1 batch 1/1 " * N,
    "\x00" * N,
    "é" * N,
    "\U0001f600" * N,
]


@pytest.mark.slow
@pytest.mark.parametrize("number", range(len(HOSTILE)))
def test_a_hostile_line_costs_no_more_than_its_length(number: int, tmp_path: Path) -> None:
    line = HOSTILE[number]
    path = write(tmp_path / "x.log", (line + "\n").encode() * 2)
    began = time.process_time()
    read(path)
    assert time.process_time() - began < 1.5


@pytest.mark.parametrize("log_format", LOG_FORMATS, ids=lambda log_format: log_format.name)
def test_no_log_format_raises_on_any_line(log_format: object) -> None:
    for line in HOSTILE:
        text = strip_prefixes(line[:3000], None).text
        for complete in (True, False):
            log_format.parse(Entry(text, (text, line[:3000]), complete), {})  # type: ignore[attr-defined]  # a Log format


@pytest.mark.parametrize("number", range(0, len(HOSTILE), 7))
def test_a_hostile_line_does_not_harm_its_neighbours(number: int, tmp_path: Path) -> None:
    data = "step 1 loss=0.5\n" + HOSTILE[number] + "\nstep 2 loss=0.25\n"
    points = read(write(tmp_path / "x.log", data.encode())).points
    assert (points["loss"][0], points["loss"][-1]) == ((1, 0.5), (2, 0.25))


@pytest.mark.slow
@pytest.mark.parametrize("number", range(25))
def test_random_logs_are_read_to_their_end(number: int, tmp_path: Path) -> None:
    rng = random.Random(number)
    fuzz.check_file(fuzz.text(rng).encode("utf-8", "surrogateescape"), tmp_path, LogAdapter())
    fuzz.check_log_formats(fuzz.long_line(rng), fuzz.primed())


def test_a_dict_of_settings_is_no_record(tmp_path: Path) -> None:
    text = b"{'learning_rate': 0.0003, 'epochs': 3, 'seed': 42}\n{'loss': 2.5, 'epoch': 0.5}\n"
    assert read(write(tmp_path / "x.log", text)).points == {"loss": [(1, 2.5)]}


def test_a_table_may_have_an_index_or_words_in_its_first_column(tmp_path: Path) -> None:
    assert read(write(tmp_path / "a.csv", b",epoch,loss\n0,1,0.5\n1,2,0.4\n")).points == {
        "loss": [(1, 0.5), (2, 0.4)]
    }
    assert read(write(tmp_path / "b.csv", b"name,step,loss\nx,1,0.5\n")).points == {"loss": [(1, 0.5)]}
    table = b"Wall time,Step,Value\n1764666728.5,1,0.5\n"
    assert read(write(tmp_path / "c.csv", table)).points == {"Value": [(1, 0.5)]}


def test_a_comment_is_no_summary_of_an_evaluation(tmp_path: Path) -> None:
    text = b" * RFC 3066 obsoletes\n * Acc@1 76.130 Acc@5 92.862\n"
    assert set(read(write(tmp_path / "x.log", text)).points) == {"Acc@1", "Acc@5"}


REQUESTS = """\
127.0.0.1 - - [10/Mar/2024:12:00:0{n} +0000] "GET /train?step={n}&loss=0.{n} HTTP/1.1" 404 133 "-" "Wget/1"
2024/03/10 12:00:0{n} [debug] 7#7: *{n} http args: "step={n}&loss=0.{n}"
399{n}:\t48 89 ce 0{n} 00 \tmov    %rcx,%rsi
--lr 0.{n} --epochs 9{n} --batch-size 51{n} --loss l{n} --steps {n}
"""


@pytest.mark.parametrize("line", REQUESTS.splitlines())
def test_requests_and_options_of_commands_are_no_records(line: str, tmp_path: Path) -> None:
    text = "".join(line.replace("{n}", str(n)) + "\n" for n in range(1, 9))
    assert read(write(tmp_path / "x.log", text.encode())).points == {}
