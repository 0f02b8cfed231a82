"""Records in any order: those with the same layout are gathered and decoded together.

This is for files without long periods (tags at random, steps that get another byte, values that come and go).
Records of one length become a matrix. A hash of the bytes that a layout fixes sorts them by tag, and a
comparison verifies what the hash says. Records that fit no layout are read one by one.
"""

from __future__ import annotations

import struct

import numpy as np
import numpy.typing as npt

from lensd.model import Ints
from lensd_tensorboard import crc
from lensd_tensorboard.fast.checksums import Bytes, contribution, unmasked
from lensd_tensorboard.fast.layouts import RecordLayout, decode, layout_of_fixed
from lensd_tensorboard.frames import FOOTER, FRAME, HEADER
from lensd_tensorboard.scalars import Scalars, read_frames

_FEW = 24  # records of one length: fewer are faster to read one by one
_LEAST = 4  # the same for one layout
_TRIES = 12  # geometries to try for one length
_WIDEST = 1024  # bytes of a payload: longer ones are read one by one

_LENGTH = struct.Struct("<Q")
_WEIGHTS = np.random.default_rng(0x1E45D).integers(1, 1 << 63, _WIDEST // 8 + 1, np.int64).view(np.uint64) | 1
Indices = npt.NDArray[np.intp]


def read_grouped(data: bytes, at: int, most: int, scalars: Scalars) -> int:
    """Read up to `most` records from `at` on; returns where the first one begins that was not read."""
    starts, lengths, end = _frames(data, at, most)
    raw = np.frombuffer(data, np.uint8)
    single: list[Indices] = []
    order = np.argsort(lengths, kind="stable")
    edges = np.flatnonzero(np.diff(lengths[order])) + 1
    for members in np.split(order, edges):
        if len(members) < _FEW or not 0 < lengths[members[0]] <= _WIDEST:
            single.append(members)
        else:
            single.append(_read_length(raw, starts, members, int(lengths[members[0]]), scalars))
    left = np.sort(np.concatenate(single))
    frames = zip((left + scalars.row).tolist(), starts[left].tolist(), lengths[left].tolist(), strict=True)
    read_frames(data, frames, scalars)
    scalars.row += len(starts)
    return end


def _frames(data: bytes, at: int, most: int) -> tuple[Ints, Ints, int]:
    """Where whole frames with sound lengths begin, the lengths of their payloads, and where they end."""
    begins = [0] * most
    count, last, unpack = 0, len(data) - FRAME, _LENGTH.unpack_from
    for count in range(most):
        if at > last:
            break
        begins[count] = at
        at += unpack(data, at)[0] + FRAME
    else:
        count = most
    if count and at > len(data):  # the last one is torn, or its length is damaged
        count -= 1
        at = begins[count]
    edges = np.array([*begins[:count], at], np.int64)
    sound = _lengths_sound(np.frombuffer(data, np.uint8), edges[:-1])
    count = len(sound) if sound.all() else int(np.argmin(sound))
    return edges[:count], np.diff(edges)[:count] - FRAME, int(edges[count])


def _lengths_sound(raw: Bytes, starts: Ints) -> npt.NDArray[np.bool_]:
    if not len(starts):
        return np.ones(0, np.bool_)
    heads = np.lib.stride_tricks.sliding_window_view(raw, HEADER)[starts]
    actual = np.full(len(heads), crc.plain(bytes(8)), np.uint32)
    for place in range(8):
        actual ^= contribution(7 - place)[heads[:, place]]
    stored = np.ascontiguousarray(heads[:, 8:]).view("<u4").reshape(-1).astype(np.uint32)
    sound: npt.NDArray[np.bool_] = actual == unmasked(stored)
    return sound


def _read_length(raw: Bytes, starts: Ints, members: Indices, length: int, scalars: Scalars) -> Indices:
    """Read records whose payloads have one length; returns those that are left to be read one by one."""
    window = np.lib.stride_tricks.sliding_window_view(raw, length + FOOTER)
    matrix = np.ascontiguousarray(window[starts[members] + HEADER])
    left: list[Indices] = []
    for _ in range(_TRIES):
        if len(members) < _FEW:
            break
        layout = RecordLayout.of(matrix[0, :length].tobytes())
        done = np.zeros(len(members), np.bool_)
        if layout is not None:
            _read_geometry(matrix, members, layout, done, scalars)
        if not done[0]:
            left.append(members[:1])
            done[0] = True
        members, matrix = members[~done], matrix[~done]
    return np.concatenate([*left, members])


def _read_geometry(
    matrix: Bytes, members: Indices, first: RecordLayout, done: npt.NDArray[np.bool_], scalars: Scalars
) -> None:
    """Read those of the records whose numbers are in the same places as in `first`; marks them as done."""
    geometry = first.geometry
    masked = matrix[:, : geometry.length] & geometry.mask()
    hashes = _hashes(masked)
    order = np.argsort(hashes, kind="stable")
    edges = np.flatnonzero(np.diff(hashes[order])) + 1
    layouts: list[RecordLayout] = []
    groups: list[Indices] = []
    for group in np.split(order, edges):
        if len(group) >= _LEAST:
            layout = layout_of_fixed(masked[group[0]].tobytes())
            if layout is not None and layout.geometry == geometry:
                layouts.append(layout)
                groups.append(group)
    if not layouts:
        return
    counts = [len(group) for group in groups]
    chosen = np.concatenate(groups)
    bases = np.repeat(np.array([layout.base for layout in layouts], np.uint32), counts)
    columns = decode(matrix[chosen], 0, geometry, bases[:, None])
    fixed = np.frombuffer(b"".join(layout.fixed for layout in layouts), np.uint8).reshape(len(layouts), -1)
    sound = columns.sound[:, 0]
    begin = 0
    for layout, group, alike in zip(layouts, groups, fixed, strict=True):
        end = begin + len(group)
        which = begin + np.flatnonzero(sound[begin:end] & (masked[group] == alike).all(axis=1))
        if len(which):
            rows = members[chosen[which]].astype(np.int64) + scalars.row
            columns.add_to(scalars, layout, rows, (which, 0))
            scalars.matched += len(which)
            done[chosen[which]] = True
        begin = end


def _hashes(masked: Bytes) -> npt.NDArray[np.uint64]:
    """A hash of each row; equal rows have equal ones."""
    count, length = masked.shape
    words = -(-length // 8)
    padded = np.zeros((count, words * 8), np.uint8)
    padded[:, :length] = masked
    hashes: npt.NDArray[np.uint64] = padded.view(np.uint64) @ _WEIGHTS[:words]
    return hashes
