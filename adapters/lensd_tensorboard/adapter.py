"""The adapter for event files: finds them, and reads one from where its cursor stands.

Knows files, budgets and damage. `scalars` knows what is in a record.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import BinaryIO

from lensd.adapter import Budget, InputDead, InputGone, RetryAfter
from lensd.discovery import Roots
from lensd.model import Batch, Counts, Input, Restarts
from lensd.tail.binary import Snapshot, encode_cursor
from lensd_tensorboard.cursor import EventCursor
from lensd_tensorboard.frames import FRAME, HEADER, LONG, FrameState, frame_at, next_sound
from lensd_tensorboard.layout import Layout, event_files
from lensd_tensorboard.scalars import Reader, Room, Scalars, read_records

#: Bytes that are in memory at a time: more than the longest record that is read.
BLOCK = 2 << 20
#: How many bytes after damage are searched for a sound record.
WINDOW = 16 << 20
#: Readers that are kept between reads: each may have learnt some MiB.
_MAX_READERS = 8


def make_reader() -> Reader:
    """A reader of blocks: the fast one, or the plain one where the folder `fast` was deleted."""
    try:
        from lensd_tensorboard.fast.blocks import PeriodReader
    except ImportError:
        return read_records
    return PeriodReader()


class TensorBoardAdapter:
    """Scalars of `*tfevents*` files, one input a file.

    A read needs only its cursor. The readers that are kept between reads, by the id of their input, only make
    the next read faster.
    """

    name = "tensorboard"
    data_source = "tensorflow"

    def __init__(self, *, make_reader: Callable[[], Reader] = make_reader) -> None:
        self._make_reader = make_reader
        self._readers: dict[str, Reader] = {}
        self._layout = Layout()

    def arrange(self, roots: Roots) -> None:
        """Tell run folders apart, see `lensd.run_folders`."""
        self._layout.arrange(roots)

    def discover(self, roots: Roots) -> Iterable[Input]:
        """Event files by name. Folders that tell series of one run apart are the prefix of its tags."""
        prefixes = self._layout.arrange(roots)
        for file in event_files(roots):
            yield roots.input(
                file,
                adapter=self.name,
                data_source=self.data_source,
                structured=True,
                prefix=prefixes[file.path],
                restarts=Restarts.SERIES,
            )

    def read(self, input: Input, cursor: bytes | None, budget: Budget) -> Batch:
        """The next records. Waits for a torn one at the end; steps over damage and counts it."""
        reader = self._readers.pop(input.id, None) or self._make_reader()
        try:
            with open(input.path, "rb", buffering=0) as file:
                batch = _EventRead(file, input, cursor, budget, reader).batch()
        except FileNotFoundError as error:
            raise InputGone(f"{input.name} is gone") from error
        except OSError as error:
            raise RetryAfter(f"{input.name} cannot be read: {error.strerror or error}", 5.0) from error
        # A file that was read to its end grows by a few records at a time, which are soon read by any reader.
        if batch.more and len(self._readers) < _MAX_READERS:
            self._readers[input.id] = reader
        return batch

    def close(self) -> None:
        """Forget the readers; no file is open between reads."""
        self._readers.clear()


class _EventRead:
    """One read of one file."""

    def __init__(
        self, file: BinaryIO, input: Input, cursor: bytes | None, budget: Budget, reader: Reader
    ) -> None:
        self._file, self._input, self._budget, self._reader = Snapshot(file), input, budget, reader
        self._size = self._file.size
        self._stored = cursor
        self._cursor, self._restart = self._file.resume(cursor, EventCursor)
        self._start = self._at = self._cursor.offset
        self._scalars = Scalars()
        self._note: str | None = None

    def batch(self) -> Batch:
        more = self._run()
        if self._restart and not self._scalars.row and self._stored is not None:
            return self._emptied(self._stored)
        scalars = self._scalars
        foreign = self._cursor.foreign_tags()
        series = scalars.series(self._input.prefix, foreign)
        if self._start == 0 and scalars.row and not scalars.matched and not more:
            self._note = self._note or f"none of its {scalars.row} records is a scalar"
        head, trace = self._file.fingerprints(self._at)
        others = Counter(self._cursor.others) + scalars.others
        cursor = EventCursor(
            offset=self._at, head=head, trace=trace, foreign=b"".join(sorted(foreign)), others=dict(others)
        )
        log_format = "event file (TF2 tensors)" if scalars.tensors else "event file"
        return Batch(
            cursor=encode_cursor(cursor),
            series=series,
            facts=scalars.facts | {name: others[name] for name in scalars.others},
            counts=Counts(
                records=scalars.row,
                matched=scalars.matched,
                skipped=scalars.skipped,
                bytes=self._at - self._start,
            ),
            more=more,
            restart=self._restart,
            voids_from=scalars.purge,
            lag_bytes=max(0, self._size - self._at),
            log_format=log_format if series else None,
            note=self._note,
        )

    def _emptied(self, cursor: bytes) -> Batch:
        """A file that was emptied or replaced: its new attempt begins with its first record."""
        note = "what was read of it is gone, and there is no new record yet"
        return Batch(cursor=cursor, lag_bytes=self._size, note=note)

    def _run(self) -> bool:
        """Read records until the file or the budget ends; whether there is more to read at once."""
        while True:
            left = self._budget.bytes - (self._at - self._start)
            block = self._file.read(self._at, min(BLOCK, max(left, HEADER)))
            state, length = frame_at(block, 0)
            if state is FrameState.DAMAGED:
                if self._scalars.row:
                    return True  # first commit what is before the damage
                if not self._step_over_damage():
                    return False
            elif len(block) < HEADER or self._at + FRAME + length > self._size:
                self._note = None if self._size else "nothing is written to it yet"
                return False
            elif self._scalars.row and FRAME + length > left:
                return True
            elif length > LONG:
                self._at += FRAME + length
                self._scalars.row += 1
            else:
                if state is FrameState.TORN:
                    block = self._file.read(self._at, FRAME + length)
                last = self._at + len(block) >= min(self._size, self._start + self._budget.bytes)
                consumed = self._reader(block, self._scalars, Room(self._spent, self._budget.points, last))
                if not consumed:
                    return False  # the file shrank during this read
                self._at += consumed
            if self._spent(0, self._scalars.points):
                return self._at < self._size

    def _spent(self, bytes: int, points: int) -> bool:
        return self._budget.spent(self._at - self._start + bytes, points)

    def _step_over_damage(self) -> bool:
        """Move to the next sound record. False while there is none: the damage may only be pages of a file on
        a shared volume, which do not always become visible in the order in which they were written.

        Raises InputDead where no sound record can follow.
        """
        name, begin = self._input.name, self._at
        at, only_zeros = begin, True
        while at + HEADER <= min(self._size, begin + WINDOW):
            data = self._file.read(at, min(1 << 20, begin + WINDOW - at))
            if len(data) < HEADER:
                break
            sound = next_sound(data, 1 if at == begin else 0)
            if sound is not None:
                self._at = at + sound
                self._scalars.row += 1
                self._scalars.skipped += 1
                return True
            only_zeros = only_zeros and not data.strip(b"\0")
            at += len(data) - HEADER + 1
        if self._size > begin + WINDOW:
            raise InputDead(
                f"{name} is damaged at byte {begin}: no sound record in the next {WINDOW >> 20} MiB"
            )
        if begin == 0 and not only_zeros:
            raise InputDead(f"{name} is not an event file: it has no TFRecord")
        self._note = f"damaged at byte {begin}, and no sound record follows yet"
        return False
