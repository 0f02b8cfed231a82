"""The step of a line that prints an epoch and a batch: does the batch number count through the whole run, or
start over with each epoch?

It starts over if it ever falls while the epoch rises. From then on the step is `(epoch - first) * length +
batch`. Where the length is not printed, the longest epoch seen so far stands for it.
"""

from __future__ import annotations

from lensd_log.line.record import State

_LARGEST = 1 << 62  # a step beyond is none


def step_in_run(place: int, length: int | None, epoch: int, state: State, *, each_epoch: bool = False) -> int:
    """The step through the whole run.

    place: the printed batch number. length: the printed number of batches. each_epoch: the line itself shows
    that batches start over (`Epoch [1/10], Step [5/600]`). State is kept under `epochs`.
    """
    seen = state.get("epochs")
    if seen is None or epoch < seen["epoch"]:
        seen = {
            "first": min(epoch, 1),
            "epoch": epoch,
            "place": place,
            "longest": 0,
            "offset": 0,
            "anew": each_epoch,
            "zero": 0,
        }
        state["epochs"] = seen
    if epoch > seen["epoch"]:
        seen["longest"] = max(seen["longest"], seen["place"] + seen["zero"])
        if place < seen["place"]:
            seen["anew"] = True
        seen["offset"] += seen["longest"] * (epoch - seen["epoch"])
    elif place < seen["place"] and not seen["anew"]:  # the run itself started over
        seen["offset"] = seen["longest"] = 0
    if place == 0:
        seen["zero"] = 1  # batches count from 0, so an epoch is one longer than its last number
    seen["epoch"], seen["place"] = epoch, place
    if not seen["anew"]:
        seen["offset"] = 0 if length else seen["offset"]
        return place
    before: int = (epoch - seen["first"]) * length if length else seen["offset"]
    return place if abs(before + place) > _LARGEST else before + place
