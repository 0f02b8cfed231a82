"""One pathname is one perpetual stream of lines over the pieces that rotation cut it into.

Owns positions and the reading of complete lines from one; never remembers anything between calls: a read is
right from (path, position) alone. What happens to the file between two reads, and what then follows:

    grew                    the new complete lines; half a line at the end is waited for
    renamed to .1, gzipped  the rest of the old piece is found by its fingerprint, then the new piece is read
    copied and truncated    the same, the copy being the old piece
    shrunk, replaced        `restarted`; reading goes on after the piece that was read before, else at the
    oldest vanished                FileNotFoundError

Half a line at the end of a piece that has a successor will never be completed: it is given with `complete`
false. Line numbers count on through all of it.
"""

from __future__ import annotations

import codecs
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from lensd.tail.segments import TRACE, Segment, digest, segments

LINE_LIMIT = 1 << 20  #: bytes; a longer line is passed over, or cut at a carriage return where it has one
_SCAN = 1 << 16
_BOM = codecs.BOM_UTF8


@dataclass(frozen=True, slots=True)
class Position:
    """A place between two lines of the stream.

    piece: fingerprint of the piece; `""` before the first byte of all. offset: bytes into its text. line:
    number of the line that begins here. trace: hash of the bytes just before. after: fingerprint of the
    piece before this one. identity: device and inode, a mere tie-breaker. inside: the line that begins
    here was cut or is being passed over, what comes up to the next newline is its rest.
    """

    segment: str = ""
    offset: int = 0
    line: int = 0
    trace: str = ""
    after: str = ""
    identity: str = ""
    inside: str = ""  # "", "cut" or "over"

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Position:
        """Raises TypeError for unknown fields."""
        return cls(**value)


@dataclass(frozen=True, slots=True)
class Line:
    """A line without its newline. `start` is the byte where it begins in its piece. `complete` is false
    for what was cut off: a redrawn line over the limit, or half a line that its writer left at the end of
    a piece."""

    number: int
    text: bytes
    start: int
    complete: bool = True


@dataclass(slots=True)
class LineChunk:
    """The result of one read: lines of one piece, and where to go on.

    more: there is more to read at once. lag_bytes: what is left unread, half lines included (packed pieces by
    estimate). mtime_ms: of the piece that was read. skipped_lines, skipped_bytes: lines over the limit.
    torn: bytes of a line at the end whose newline has not come. body: where lines were asked for unsplit,
    their bytes with every newline, from byte `start` and line number `first` on; `lines` is empty then, and
    the line number of `position` is for the reader to count (see `position_in`).
    """

    lines: list[Line]
    position: Position
    restarted: bool = False
    more: bool = False
    lag_bytes: int = 0
    mtime_ms: float = 0.0
    skipped_lines: int = 0
    skipped_bytes: int = 0
    torn: bytes = b""
    read_bytes: int = 0
    body: bytes = b""
    start: int = 0
    first: int = 0
    _data: bytes = field(default=b"", repr=False)
    _base: int = 0

    def position_at(self, index: int) -> Position:
        """The place where `lines[index]` begins: for a reader that stops before the end of the chunk."""
        line = self.lines[index]
        inside = "cut" if index and not self.lines[index - 1].complete else ""
        return self._position(line.start, line.number, inside)

    def position_in(self, offset: int, line: int) -> Position:
        """The place `offset` bytes into the body, where its line of ordinal `line` begins."""
        return self._position(self.start + offset, self.first + line, "")

    def _position(self, start: int, number: int, inside: str) -> Position:
        end = start - self._base
        trace = digest(self._data[max(0, end - TRACE) : end])
        return replace(self.position, offset=start, line=number, trace=trace, inside=inside)


def read_lines(path: str, position: Position | None, max_bytes: int, *, split: bool = True) -> LineChunk:
    """The complete lines from `position` (`None`: the beginning), about `max_bytes` of them but at least one.

    split: false asks for them in one piece (see `LineChunk.body`), which is granted where they are plain
    text; whether one is over the limit is for the reader to see.

    Raises FileNotFoundError when the stream has no piece, OSError when one cannot be read.
    """
    parts = segments(path)
    here = position or Position()
    index, here, restarted = _locate(parts, here)
    # A piece that is read to its end hands over to the next one that has anything in it.
    while True:
        segment = parts[index]
        chunk = _read_piece(segment, here, max_bytes, split)
        later = _next_with_text(parts, index)
        if chunk.lines or chunk.body or chunk.skipped_bytes or chunk.more or later is None:
            break
        if chunk.torn:
            _give_torn(chunk)
            break
        index = later
        line = chunk.position.line + (1 if chunk.position.inside else 0)
        here = replace(_enter(parts[index], Position(line=line)), after=here.segment or segment.fingerprint())
    chunk.restarted = restarted
    chunk.more = chunk.more or later is not None
    behind = segment.size_estimate() - chunk.position.offset
    chunk.lag_bytes = max(0, behind) + sum(p.size_estimate() for p in parts[index + 1 :])
    chunk.mtime_ms = segment.mtime_ms
    return chunk


def matches(segment: Segment, position: Position) -> bool:
    """Is `position` a place in this very piece?"""
    if not segment.packed and segment.stored_size < position.offset:
        return False
    if not segment.has(position.segment):
        return False
    start = max(0, position.offset - TRACE)
    before = segment.read(start, position.offset - start)
    return len(before) == position.offset - start and (not position.trace or digest(before) == position.trace)


def find_piece(parts: list[Segment], position: Position) -> int | None:
    """The piece that a position lies in: the newest of those that match, one with the same inode first."""
    found = None
    for index in range(len(parts) - 1, -1, -1):
        if matches(parts[index], position):
            if parts[index].identity == position.identity:
                return index
            found = index if found is None else found
    return found


def _locate(parts: list[Segment], position: Position) -> tuple[int, Position, bool]:
    if not position.segment:
        return 0, replace(_enter(parts[0], position), after=position.after), False
    index = find_piece(parts, position)
    if index is not None:
        segment = parts[index]
        # The head may have grown since the fingerprint was taken; a longer one tells more.
        return index, replace(position, segment=segment.fingerprint(), identity=segment.identity), False
    first = 0
    if position.after:
        for older in range(len(parts) - 1, -1, -1):
            if parts[older].has(position.after):
                first = min(older + 1, len(parts) - 1)
                break
    return first, replace(_enter(parts[first], position), after=position.after if first else ""), True


def _enter(segment: Segment, position: Position) -> Position:
    return Position(segment=segment.fingerprint(), line=position.line, identity=segment.identity)


def _next_with_text(parts: list[Segment], index: int) -> int | None:
    for later in range(index + 1, len(parts)):
        if parts[later].stored_size and (not parts[later].packed or parts[later].read(0, 1)):
            return later
    return None


def _read_piece(segment: Segment, here: Position, max_bytes: int, split: bool) -> LineChunk:
    base = max(0, here.offset - TRACE)
    lead = here.offset - base
    want = max(max_bytes, 1)
    head = segment.read(0, 4)
    data = segment.read(base, lead + want)
    wide = _wide(head)
    newline = b"\n\0" if wide == "utf-16-le" else b"\0\n" if wide else b"\n"
    end = _last_newline(data, lead, newline)
    # At least one line, however small the budget: read on until its newline comes or it is over the limit.
    while end < 0 and len(data) - lead < LINE_LIMIT:
        step = min(max(want, _SCAN), LINE_LIMIT - (len(data) - lead))
        part = segment.read(base + len(data), step)
        if not part:
            break
        data += part
        end = _last_newline(data, lead, newline)
    if wide and (len(data) - lead) % 2:
        data = data[:-1]
    chunk = LineChunk([], here, _data=data, _base=base)
    number, start, inside = here.line, lead, here.inside
    if end >= 0 and not (split or wide or inside or head.startswith(_BOM)):
        chunk.body, chunk.start, chunk.first = data[lead : end + 1], here.offset, number
        start = end + 1
        chunk.more = len(data) - lead >= want
    elif end >= 0:
        body = data[lead:end]
        for text in _split(body, newline) if wide else body.split(b"\n"):
            if inside == "over" or len(text) > LINE_LIMIT:
                chunk.skipped_bytes += len(text) + len(newline)
                chunk.skipped_lines += inside != "over"
            else:
                chunk.lines.append(Line(number, _plain(text, wide, base + start), base + start))
            inside = ""
            number += 1
            start += len(text) + len(newline)
        chunk.more = len(data) - lead >= want
    elif len(data) - lead >= LINE_LIMIT or inside == "over":
        start, inside = _pass_over(chunk, data, start, number, inside, not wide)
        chunk.more = True
    chunk.torn = data[start:] if inside != "over" else b""
    if inside == "over" and not segment.read(base + len(data), 1):
        chunk.more = False
    chunk.read_bytes = start - lead
    chunk.position = replace(
        here,
        offset=base + start,
        line=number,
        trace=digest(data[max(0, start - TRACE) : start]),
        inside=inside,
    )
    return chunk


def _pass_over(
    chunk: LineChunk, data: bytes, start: int, number: int, inside: str, may_cut: bool
) -> tuple[int, str]:
    """A line over the limit that has not ended yet: given up to its last redraw, else passed over."""
    limit = start + LINE_LIMIT
    redraw = data.rfind(b"\r", start + 1, limit) if may_cut and inside != "over" else -1
    if redraw > 0:
        chunk.lines.append(Line(number, data[start:redraw], chunk._base + start, complete=False))
        return redraw, "cut"
    gone = len(data) - start
    chunk.skipped_bytes += gone
    chunk.skipped_lines += inside != "over"
    return start + gone, "over"


def _give_torn(chunk: LineChunk) -> None:
    """The half line at the end of a piece whose successor has begun."""
    start = chunk.position.offset
    end = start + len(chunk.torn)
    chunk.lines.append(Line(chunk.position.line, chunk.torn, start, complete=False))
    at = end - chunk._base
    chunk.position = replace(
        chunk.position,
        offset=end,
        line=chunk.position.line + 1,
        trace=digest(chunk._data[max(0, at - TRACE) : at]),
        inside="",
    )
    chunk.read_bytes += len(chunk.torn)
    chunk.torn = b""


def _wide(head: bytes) -> str:
    """The encoding that a UTF-16 byte order mark announces (what PowerShell's `>` writes), else `""`."""
    if head.startswith(codecs.BOM_UTF16_LE) and head[2:4] != b"\0\0":
        return "utf-16-le"
    return "utf-16-be" if head.startswith(codecs.BOM_UTF16_BE) else ""


def _last_newline(data: bytes, lead: int, newline: bytes) -> int:
    at = data.rfind(newline, lead)
    while len(newline) == 2 and at >= 0 and (at - lead) % 2:
        at = data.rfind(newline, lead, at + 1)
    return at


def _split(body: bytes, newline: bytes) -> list[bytes]:
    found, start, at = [], 0, body.find(newline)
    while at >= 0:
        if at % 2 == 0:
            found.append(body[start:at])
            start = at + 2
        at = body.find(newline, at + 1)
    found.append(body[start:])
    return found


def _plain(text: bytes, wide: str, start: int) -> bytes:
    if wide:
        return text.decode(wide, "replace").lstrip("\ufeff").encode()
    return text[3:] if start == 0 and text.startswith(_BOM) else text
