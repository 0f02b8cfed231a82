"""One path is one endless stream of lines, over the segments that rotation cut it into.

Owns positions in the stream, and reading complete lines from one. Nothing is remembered between calls: a read
needs only the path and the position. What a read does about what happened to the file since the one before:

    grew                    reads the new complete lines; half a line at the end waits for its newline
    renamed to .1, gzipped  finds the old segment by its fingerprint, reads its rest, then the new segment
    copied and truncated    the same: the copy is the old segment, even if it has fewer lines than were read
    shrunk, replaced        sets `restarted`, and reads on after the segment that was read before, or from
                            the oldest one
    vanished                raises FileNotFoundError

Half a line at the end of a segment that has a successor will never be completed: it is returned with
`complete` false. Line numbers go on through all of this.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any

from lensd.tail.encoding import Encoding
from lensd.tail.segments import START, TRACE, Moved, Segment, Stream, digest, with_stream

LINE_LIMIT = 1 << 20  #: bytes; a longer line is skipped, or cut at a carriage return where it has one
_SCAN = 1 << 16


@dataclass(frozen=True, slots=True)
class Position:
    """A place between two lines of the stream.

    segment: fingerprint of the segment; `""` before the very first byte. offset: bytes into its text. line:
    number of the line that begins here. trace: digest of the bytes before it. start: fingerprint of no more
    than the first bytes. after: fingerprint of the segment before this one. identity: device and inode, only
    used to break ties. inside: `"cut"` or `"over"` where the beginning of this line was returned or skipped,
    so that the bytes up to the next newline are its rest.
    """

    segment: str = ""
    offset: int = 0
    line: int = 0
    trace: str = ""
    after: str = ""
    identity: str = ""
    inside: str = ""
    start: str = ""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Position:
        """Raises TypeError for unknown fields."""
        return cls(**value)


@dataclass(frozen=True, slots=True)
class Line:
    """A line without its newline.

    start: the byte of its segment where it begins. complete: false for a redrawn line over the limit, which
    was cut, and for half a line at the end of a segment.
    """

    number: int
    text: bytes
    start: int
    complete: bool = True


@dataclass(slots=True)
class LineChunk:
    """The result of one read: lines of one segment, and where to go on.

    more: there is more to read at once. lag_bytes: bytes that are left unread, half lines included (estimated
    for packed segments, and for more than the next one). mtime_ms: of the segment. aside: it is not the file
    at the log's own path: who does not know of the rotation yet, or is packing it, may still append to it.
    problems: see `Stream`, None where the folder was not listed.
    skipped_lines, skipped_bytes: lines over the limit.
    torn: text of a line at the end whose newline is still to come. body: the lines' bytes with every
    newline, where they were asked for unsplit; it begins at byte `start`, with line number `first`. `lines`
    is empty then, and the line number of `position` is for the caller to count (see `position_in`).
    """

    lines: list[Line]
    position: Position
    restarted: bool = False
    more: bool = False
    lag_bytes: int = 0
    mtime_ms: float = 0.0
    aside: bool = False
    problems: dict[str, str] | None = None
    skipped_lines: int = 0
    skipped_bytes: int = 0
    torn: bytes = b""
    read_bytes: int = 0
    body: bytes = b""
    start: int = 0
    first: int = 0
    _data: bytes = field(
        default=b"", repr=False
    )  # the bytes that were read, and those before them for a trace
    _base: int = 0  # the byte of the segment where `_data` begins
    _encoding: Encoding = field(default_factory=Encoding, repr=False)

    def position_at(self, index: int) -> Position:
        """The place where `lines[index]` begins: for a caller that stops before the end of the chunk."""
        line = self.lines[index]
        inside = "cut" if index and not self.lines[index - 1].complete else ""
        return self._position(line.start, line.number, inside)

    def position_in(self, offset: int, line: int) -> Position:
        """The place `offset` bytes into the body, after `line` of its lines."""
        return self._position(self.start + offset, self.first + line, "")

    def _position(self, start: int, number: int, inside: str) -> Position:
        end = start - self._base
        trace = digest(self._data[max(0, end - TRACE) : end])
        return replace(self.position, offset=start, line=number, trace=trace, inside=inside)


def read_lines(path: str, position: Position | None, max_bytes: int, *, split: bool = True) -> LineChunk:
    """The complete lines from `position` (`None`: the beginning), about `max_bytes` of them but at least one.

    split: false asks for the bytes of all lines as one (see `LineChunk.body`). They are returned like that
    where they are plain text; the caller must then check for lines over the limit.

    Raises FileNotFoundError when the stream has no segment, OSError when none can be read.
    """
    chunk = _read_log_itself(path, position, max_bytes, split) if position and position.offset else None
    if chunk is not None:
        return chunk
    return with_stream(path, lambda stream: _read(stream, position or Position(), max_bytes, split))


def _read_log_itself(path: str, position: Position, max_bytes: int, split: bool) -> LineChunk | None:
    """Read on without listing the folder, if the position is in the file that has the name of the log: it is
    the newest segment. None if it is not."""
    with Stream(path, log_alone=True) as stream:
        try:
            log = stream.parts[0]
            if log.identity != position.identity or not _matches(log, position):
                return None
            chunk = _read(stream, position, max_bytes, split)
        except OSError:  # renamed or truncated meanwhile, or not readable: the folder tells
            return None
    chunk.problems = None
    return chunk


def _read(stream: Stream, position: Position, max_bytes: int, split: bool) -> LineChunk:
    parts = stream.parts
    index, here, restarted = _locate(parts, position)
    # Their sizes count from before the segment is read: what is written to it before them is read first.
    later = _next_with_text(parts, index)
    # After the end of a segment comes the next one that has text.
    while True:
        segment = parts[index]
        chunk = _read_segment(segment, here, max_bytes, split)
        # Truncated after it was copied, the log is the same file, but not what comes next.
        if segment.is_log_itself and not here.offset and stream.has_changed():
            raise Moved(f"{segment.name.name} was rotated while it was read")
        if chunk.lines or chunk.body or chunk.skipped_bytes or chunk.more or later is None:
            break
        end = chunk._position(chunk.position.offset + len(chunk.torn), chunk.position.line, "")
        if chunk.torn and not _matches(parts[later], end):
            _end_torn_line(chunk)
            break
        index = later
        if chunk.torn:  # rotation is copying the log, and the copy ends within a line
            here = replace(chunk.position, identity=parts[index].identity)
        else:
            line = chunk.position.line + (1 if chunk.position.inside else 0)
            here = replace(_beginning(parts[index], line), after=here.segment or segment.fingerprint())
        later = _next_with_text(parts, index)
    chunk.torn = chunk._encoding.to_utf8(chunk.torn, chunk.position.offset)
    chunk.restarted = restarted
    chunk.more = chunk.more or later is not None
    chunk.lag_bytes = _left(parts, index, chunk.position.offset)
    chunk.mtime_ms = segment.mtime_ms
    chunk.aside = segment.packed or not segment.is_log_itself
    chunk.problems = stream.problems
    return chunk


def _locate(parts: list[Segment], position: Position) -> tuple[int, Position, bool]:
    """The segment to read, the position in it, and whether the text before `position` is gone."""
    if not position.segment:
        return 0, replace(_beginning(parts[0], position.line), after=position.after), False
    index = _find(parts, position)
    if index is not None:
        segment = parts[index]
        # The head may have grown since the fingerprint was taken; a longer one is more certain.
        return index, replace(position, **_marks(segment)), False
    copy = _short_copy(parts, position)
    if copy is not None:
        return copy, _end(parts[copy], position), False
    first = 0
    if position.after:
        for older in range(len(parts) - 1, -1, -1):
            if parts[older].has(position.after):
                first = min(older + 1, len(parts) - 1)
                break
    here = replace(_beginning(parts[first], position.line), after=position.after if first else "")
    return first, here, True


def _find(parts: list[Segment], position: Position) -> int | None:
    """The segment that a position is in: the one with the same inode if it matches, else the newest one."""
    inode = position.identity.rpartition(".")[2]
    order = [index for index in range(len(parts)) if inode and str(parts[index].inode) == inode]
    order += range(len(parts) - 1, -1, -1)
    for index in order:
        if _matches(parts[index], position):
            return index
    return None


def _short_copy(parts: list[Segment], position: Position) -> int | None:
    """The newest rotated segment that begins like that of the position but ends before it.

    Such is a copy of the log that lacks what was written, and read, before the log was truncated.
    """
    for index in range(len(parts) - 2, -1, -1):
        part = parts[index]
        if part.packed or part.stored_size >= position.offset:
            continue
        length = int(position.segment.partition(":")[0])
        if part.has(position.segment if part.stored_size >= length else position.start):
            return index
    return None


def _end(segment: Segment, position: Position) -> Position:
    """The end of a plain segment, in place of a position that is behind it."""
    size = segment.stored_size
    trace = digest(segment.read(max(0, size - TRACE), min(size, TRACE)))
    return replace(
        position, segment=segment.fingerprint(), offset=size, trace=trace, identity=segment.identity
    )


def _matches(segment: Segment, position: Position) -> bool:
    """Whether the segment begins, and goes on before the position, as it did when the position was made."""
    if not segment.packed and segment.stored_size < position.offset:
        return False
    if not segment.has(position.segment):
        return False
    start = max(0, position.offset - TRACE)
    before = segment.read(start, position.offset - start)
    return len(before) == position.offset - start and (not position.trace or digest(before) == position.trace)


def _beginning(segment: Segment, line: int) -> Position:
    return Position(line=line, **_marks(segment))


def _marks(segment: Segment) -> dict[str, Any]:
    """The fields of a position by which its segment is found again."""
    return {
        "segment": segment.fingerprint(),
        "start": segment.fingerprint(START),
        "identity": segment.identity,
    }


def _next_with_text(parts: list[Segment], index: int) -> int | None:
    for later in range(index + 1, len(parts)):
        if parts[later].stored_size and (not parts[later].packed or parts[later].read(0, 1)):
            return later
    return None


def _left(parts: list[Segment], index: int, offset: int) -> int:
    """About how many bytes are unread. Segments that are not open yet are taken to be like those that are:
    to open all of them for each read would take long on a network file system."""
    behind = max(0, parts[index].size_estimate() - offset)
    newer = [part.size_estimate() for part in parts[index + 1 :] if part.is_open]
    closed = len(parts) - index - 1 - len(newer)
    return behind + sum(newer) + closed * max([parts[index].size_estimate(), *newer])


def _read_segment(segment: Segment, here: Position, max_bytes: int, split: bool) -> LineChunk:
    encoding = Encoding.of(segment.head()[:4])
    base = max(0, here.offset - TRACE)
    begin = here.offset - base
    size = max(max_bytes, 1)
    data, end = _read_to_newline(segment, base, begin, size, encoding)
    if not _goes_on(data, begin, here):
        raise Moved(f"{segment.name.name} was truncated while it was read")
    chunk = LineChunk([], here, more=len(data) - begin >= size, _data=data, _base=base, _encoding=encoding)
    start, number, inside = begin, here.line, here.inside
    if end < 0:
        if len(data) - begin >= LINE_LIMIT or inside == "over":
            start, inside = _skip_long_line(chunk, here, begin, encoding)
            chunk.more = inside != "over" or segment.read(base + len(data), 1) != b""
        else:
            chunk.more = False
    elif split or inside or encoding.is_foreign(data[begin:end]):
        start, number = _split_lines(chunk, here, begin, end, encoding)
        inside = ""
    else:
        start = end + 1
        chunk.body, chunk.start, chunk.first = data[begin:start], here.offset, number
    chunk.torn = data[start:] if inside != "over" else b""
    chunk.read_bytes = start - begin
    chunk.position = replace(
        here,
        offset=base + start,
        line=number,
        trace=digest(data[max(0, start - TRACE) : start]),
        inside=inside,
    )
    return chunk


def _goes_on(data: bytes, begin: int, here: Position) -> bool:
    """Is what was read still from the file that `here` was found in?"""
    if begin:
        return not here.trace or digest(data[:begin]) == here.trace
    length, _, head = here.segment.partition(":")
    return not length or len(data) < int(length) or digest(data[: int(length)]) == head


def _read_to_newline(
    segment: Segment, base: int, begin: int, size: int, encoding: Encoding
) -> tuple[bytes, int]:
    """The bytes from `base` on, about `size` of them from index `begin`, and the index of their last
    newline.

    At least one line, however small the budget: this reads on until a newline comes, the line is over the
    limit, or the segment ends; the index is -1 in the last two cases.
    """
    data = segment.read(base, begin + size)
    end = encoding.last_newline(data, begin)
    while end < 0 and len(data) - begin < LINE_LIMIT:
        more = segment.read(base + len(data), min(max(size, _SCAN), LINE_LIMIT - (len(data) - begin)))
        if not more:
            break
        data += more
        end = encoding.last_newline(data, begin)
    if encoding.wide and (len(data) - begin) % 2:
        data = data[:-1]  # half a character
    return data, end


def _split_lines(
    chunk: LineChunk, here: Position, begin: int, end: int, encoding: Encoding
) -> tuple[int, int]:
    """Put the lines between `begin` and the newline at `end` into the chunk.

    The rest of a line that was skipped, and lines over the limit, are counted instead. Returns where the next
    line begins, and its number.
    """
    start, number, inside = begin, here.line, here.inside
    newline = len(encoding.newline)
    for text in encoding.split(chunk._data[begin:end]):
        if inside == "over" or len(text) > LINE_LIMIT:
            chunk.skipped_bytes += len(text) + newline
            chunk.skipped_lines += inside != "over"
        else:
            offset = chunk._base + start
            chunk.lines.append(Line(number, encoding.to_utf8(text, offset), offset))
        inside = ""
        number += 1
        start += len(text) + newline
    return start, number


def _skip_long_line(chunk: LineChunk, here: Position, begin: int, encoding: Encoding) -> tuple[int, str]:
    """A line over the limit that has not ended: cut it at its last redraw, else skip what there is of it.

    Returns where its rest begins, and what the rest is as `Position.inside`.
    """
    data = chunk._data
    may_cut = not encoding.wide and here.inside != "over"
    redraw = data.rfind(b"\r", begin + 1, begin + LINE_LIMIT) if may_cut else -1
    if redraw > 0:
        chunk.lines.append(Line(here.line, data[begin:redraw], chunk._base + begin, complete=False))
        return redraw, "cut"
    chunk.skipped_bytes += len(data) - begin
    chunk.skipped_lines += here.inside != "over"
    return len(data), "over"


def _end_torn_line(chunk: LineChunk) -> None:
    """Turn the half line at the end of a segment that has a successor into a line that is not complete."""
    start, number = chunk.position.offset, chunk.position.line
    chunk.lines.append(Line(number, chunk._encoding.to_utf8(chunk.torn, start), start, complete=False))
    chunk.position = chunk._position(start + len(chunk.torn), number + 1, "")
    chunk.read_bytes += len(chunk.torn)
    chunk.torn = b""
