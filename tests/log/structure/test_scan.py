"""What one line holds: counters, values with their names, phase."""

import time

import pytest

from lensd_log.structure.plans import Sketcher
from lensd_log.structure.sketch import Sketch


def sketch(text: str) -> Sketch:
    return Sketcher().sketch(text)


def counts(text: str) -> list[tuple[str, int, int | None]]:
    return [(count.kind, count.value, count.total) for count in sketch(text).counts]


def values(text: str) -> dict[str, float]:
    return {value.name: value.value for value in sketch(text).values}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("step 5: loss=0.1", [("step", 5, None)]),
        ("Step: 30000. Mean Reward: 1.3.", [("step", 30000, None)]),
        ("iter 12/500 loss 0.1", [("step", 12, 500)]),
        ("Iteration 3 of 9 loss 0.1", [("step", 3, 9)]),
        ("Epoch: [1][20/400] Loss 4.1", [("epoch", 1, None), ("fraction", 20, 400)]),
        ("[1,  2000] loss: 2.2", [("epoch", 1, None), ("step", 2000, None)]),
        ("[1][20/400] loss: 2.2", [("epoch", 1, None), ("fraction", 20, 400)]),
        ("[0/25][50/391] Loss: 2.2", [("epoch", 0, 25), ("fraction", 50, 391)]),
        ("(epoch: 1, iters: 100, time: 0.1) G: 0.5", [("epoch", 1, None), ("step", 100, None)]),
        ("#3 train/loss=0.5", [("lead", 3, None)]),
        ("1|2|Loss: 2.4", [("epoch", 1, None), ("step", 2, None)]),
        ("Train: 0 [  10/100 ( 10%)]  Loss: 2.9", [("epoch", 0, None), ("fraction", 10, 100)]),
        ("[7]\ttrain-auc:0.5", [("lead", 7, None)]),
        ("7: loss 0.5", [("lead", 7, None)]),
        ("[main][INFO] - [7]\ttrain-auc:0.5", [("lead", 7, None)]),
        ("train 30720 steps 0 policy: loss 0.3", [("step", 30720, None)]),
        ("global_step=8199, return=-1.5", [("global", 8199, None)]),
        ("第12轮 损失: 0.5", [("epoch", 12, None)]),
        ("エポック 3 損失: 0.5", [("epoch", 3, None)]),
        ("에포크 3 손실: 0.5", [("epoch", 3, None)]),
        ("эпоха 3: потери 0.5", [("epoch", 3, None)]),
        ("Époque 3 perte : 0.5", [("epoch", 3, None)]),
        ("Epoche 3 Verlust: 0.5", [("epoch", 3, None)]),
        ("epoch_3 step004 loss: 0.5", [("epoch", 3, None), ("step", 4, None)]),
        ("perf 0: {'time': 1.5}", [("step", 0, None)]),
        ("Epoch 0:  20%|##        | 1/5 [00:01<00:00, 1.0it/s]", [("epoch", 0, None), ("fraction", 1, 5)]),
        ("epoch:   1%|1         | 1/100 [00:30<50:12, 30.4s/it]", [("epoch", 1, 100)]),
        ("Total steps: 31200 loss: 1", []),
        ("{'epochs': 3, 'max_steps': 100}", []),
        ("2024-03-10 12:00:00,123 train.py:42 loss 0.5", []),
    ],
)
def test_counters_are_found_by_words_and_by_place(
    text: str, expected: list[tuple[str, int, int | None]]
) -> None:
    assert counts(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("step=1 loss=0.5 return=123.4", {"loss": 0.5, "return": 123.4}),
        ("step 1 | Val. Loss: 0.5 | Val. PPL: 9.0", {"Val. Loss": 0.5, "Val. PPL": 9}),
        ("Epoch 1 Loc Loss: 0.25 Cls Loss: 0.5", {"Loc Loss": 0.25, "Cls Loss": 0.5}),
        ("step 1 train_loss 0.8812 val_loss 0.7910", {"train_loss": 0.8812, "val_loss": 0.791}),
        ("epoch: 1 step: 5, loss is 0.5", {"loss": 0.5}),
        ("Loss at step 100 is 0.5", {"Loss": 0.5}),
        ("loss - 0.5, acc - 0.25", {"loss": 0.5, "acc": 0.25}),
        ("loss ........ 0.5", {"loss": 0.5}),
        ("step 1, Loss = [1.17]", {"Loss": 1.17}),
        ("loss: tensor(0.53, device='cuda:0'), acc=array([0.5, 0.6])", {"loss": 0.53, "acc": 0.5}),
        ("{'loss': 0.5, \"lr\": 1e-05}", {"loss": 0.5, "lr": 1e-05}),
        ("time per iteration (ms): 820.7 | loss: 1", {"time per iteration (ms)": 820.7, "loss": 1}),
        ("loss=6.17 (7.20), lr=0.001", {"loss": 6.17, "lr": 0.001}),
        ("recall@5 : 0.15    ndcg@10 : 0.13", {"recall@5": 0.15, "ndcg@10": 0.13}),
        ("Accuracy: 9810/10000 (98%)", {"Accuracy": 98}),
        ("5: 0.87, 0.99 avg loss, 0.01 rate", {"avg loss": 0.99}),
        ("loss: train 1.25 val 3.5", {"loss": 1.25, "val/loss": 3.5}),
        ("Loss_D: 0.25 D(x): 0.5", {"Loss_D": 0.25, "D(x)": 0.5}),
        ("loss: nan, grad norm: -inf", {"loss": float("nan"), "grad norm": float("-inf")}),
        ("Elapsed: 61.2 s. Mean Reward: 1.3. Std of Reward: 8.", {"Mean Reward": 1.3, "Std of Reward": 8}),
        ("training's l1: 0.45\tvalid_1's l2: 0.21", {"training's l1": 0.45, "valid_1's l2": 0.21}),
        ("number of nan iterations: 0 |", {"number of nan iterations": 0}),
        ("[NeMo I 2025-03-04 05:06:00 nemo_logging:393] loss: 0.5", {"loss": 0.5}),
        ("[runner.py: 818] s0.acc: 94.2", {"s0.acc": 94.2}),
        ("pid: 77 port: 80 seed: 3 eta: 4 rank: 1", {}),
        ("loss of precision in 40 men", {}),
        ("BigFloat->accuracy(4)", {}),
        ("the loss was about 3 times higher", {}),
        ("http://host/step=5?loss=0.5", {}),
        ("torch 2.1.0 on 10.0.0.1, id 7c9d-4", {}),
    ],
)  # fmt: skip
def test_values_have_the_words_beside_them_for_names(text: str, expected: dict[str, float]) -> None:
    assert repr(values(text)) == repr({name: float(value) for name, value in expected.items()})


@pytest.mark.parametrize(
    ("text", "phase"),
    [
        ("Epoch 1 val: loss=0.5", "val"),
        ("[EVAL] mIoU: 0.6", "EVAL"),
        ("Validation Results - Epoch: 1  Avg loss: 0.57", "Validation"),
        ("val Loss: 0.25 Acc: 0.9", "val"),
        ("Test Error:", "Test"),
        ("Epoch 1 train_loss: 0.5 val_loss: 0.6", ""),
    ],
)
def test_a_word_of_phase_beside_no_name_is_the_phase_of_the_line(text: str, phase: str) -> None:
    assert sketch(text).phase_word == phase


def test_units_are_taken_off_and_kept() -> None:
    units = {
        value.name: value.unit for value in sketch("dt: 2131.20ms | acc: 44.1%, mem 9.210 GB, x: 1").values
    }
    assert units == {"dt": "ms", "acc": "%", "mem": "GB", "x": ""}


def test_a_rank_beside_the_values_is_the_rank_of_the_line() -> None:
    assert sketch("step 1 loss 0.5 rank 3").rank == 3


@pytest.mark.parametrize(
    "lines",
    [
        ["[1,  2000] loss: 2.204", "[1,  4000] loss: 1.871", "[12, 200] loss: 1.5"],
        ["loss: 1,234.5 at step 7", "loss: 1,23 at step 8", "loss: 11,234 at step 9"],
        ["top1: 0.5 epoch 1", "top5: 0.5 epoch 2"],
        ["iter 1:05 loss 0.5", "iter 1:5 loss 0.5", "iter 100:05 loss 0.5"],
        ["step 1 loss 0.5", "step 12345678901234567 loss 0.5"],
        ["iter 1 loss 0.5 eta 0:01:02", "iter 2 loss 0.5 eta 0:59:62", "iter 3 loss 0.5 eta 10:60:02"],
        ["step 1 2024-03-01 loss=-.5", "step 2 2024-03-02 loss=-.75", "step 3 1024-03-1 loss=-.1"],
    ],
)
def test_a_plan_reads_what_a_scan_reads(lines: list[str]) -> None:
    sketcher = Sketcher()
    for line in lines * 4:
        again, fresh = sketcher.sketch(line), sketch(line)
        assert [(v.name, v.value) for v in again.values] == [(v.name, v.value) for v in fresh.values]
        assert [(c.kind, c.value) for c in again.counts] == [(c.kind, c.value) for c in fresh.counts]
        assert (again.covered, again.shape()) == (fresh.covered, fresh.shape())


@pytest.mark.parametrize(
    "part",
    [
        "a",
        "1,",
        "a.",
        "1.",
        "step1",
        "-",
        "1:",
        "a/",
        "1m",
        "1e",
        "(",
        "loss: 0.5 ",
        "[1]",
        "a'",
        "第1轮",
        " ",
    ],
)
def test_a_hostile_line_costs_no_more_than_its_length(part: str) -> None:
    def seconds(size: int) -> float:
        text = part * (size // len(part))
        began = time.process_time()
        for _ in range(3):
            sketch(text)
        return time.process_time() - began

    seconds(100)
    assert seconds(3900) < 1.5
