"""The step of a line that prints an epoch and a place within something: is that place counted through the
whole run, or does it begin anew with each epoch?

It shows when the epoch rises and the place falls. From then on the step is `(epoch - first) * length +
place`; where the length is not printed, epochs follow one another by the longest one seen so far.
"""

from __future__ import annotations

from lensd_log.line.record import State


def step_in_run(place: int, length: int | None, epoch: int, state: State, *, each_epoch: bool = False) -> int:
    """The step through the whole run. `length`: what the place is printed to be out of. `each_epoch`: the
    line itself shows that places begin anew (`Epoch [1/10], Step [5/600]`). State is kept under `epochs`."""
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
    elif place < seen["place"] and not seen["anew"]:  # the run itself began anew
        seen["offset"] = seen["longest"] = 0
    if place == 0:
        seen["zero"] = 1  # places count from 0, so an epoch is one longer than the last of them
    seen["epoch"], seen["place"] = epoch, place
    if not seen["anew"]:
        seen["offset"] = 0 if length else seen["offset"]
        return place
    before: int = (epoch - seen["first"]) * length if length else seen["offset"]
    return before + place
