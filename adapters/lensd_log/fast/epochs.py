"""The steps of lines that print an epoch and a batch, in columns: see `formats.epochs`, which is asked where
something else than the batch changes."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from lensd.model import Ints
from lensd_log.formats.epochs import step_in_run
from lensd_log.line.record import State


def steps_in_run(places: Ints, epochs: Ints, state: State) -> Ints:
    """[lines] what `step_in_run` gives for lines one after another. Moves `state` on as it does."""
    begins = np.ones(len(places), np.bool_)
    begins[1:] = (epochs[1:] != epochs[:-1]) | (places[1:] < places[:-1]) | (places[1:] == 0)
    steps = np.empty_like(places)
    for begin, end in pairwise([*np.flatnonzero(begins).tolist(), len(places)]):
        first = step_in_run(int(places[begin]), None, int(epochs[begin]), state)
        steps[begin:end] = places[begin:end] + (first - int(places[begin]))
        if end - begin > 1:
            step_in_run(int(places[end - 1]), None, int(epochs[end - 1]), state)
    return steps
