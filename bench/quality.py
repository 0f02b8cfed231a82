"""How much of a curve is left after downsampling: pictures of 1000 x 300 pixels against that of all points.

    python bench/quality.py [POINTS ...]

All data come from one seed. A curve is drawn as the line through its points, one pixel wide. lensd answers
from a database, the others get all finite points in memory.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tsdownsample import LTTBDownsampler, M4Downsampler, MinMaxLTTBDownsampler

from lensd.model import Batch, Floats, Input, Ints, Points, Series
from lensd.query import lens
from lensd.query.panels import PanelQuestion, panels
from lensd.query.results import Selection
from lensd.store import Store

WIDTH, HEIGHT = 1000, 300
COUNT = 2000
RESERVOIR = 1000  # TensorBoard's default for scalars
BATCH = 1 << 20
KINDS = ("noise", "steps", "spikes", "bursts", "gaps")

Picture = npt.NDArray[np.bool_]
Spans = tuple[Floats, Floats]  # the least and the greatest value that each pixel column shows, NaN for none


def curve(kind: str, points: int) -> Floats:
    """A curve of this kind, as float32 holds it; NaN where it has a gap."""
    chance = np.random.default_rng(KINDS.index(kind))
    value = chance.standard_normal(points, np.float32)
    at = np.arange(points, dtype=np.float32) / np.float32(points)
    if kind == "steps":
        value *= np.float32(0.01)
        lengths = np.diff(np.sort(chance.integers(0, points, 50)), prepend=0, append=points)
        value += np.repeat(chance.integers(0, 20, 51).astype(np.float32), lengths)
    else:
        value *= np.float32(0.1)
        value += 3 * np.exp(-3 * at)
    if kind == "spikes":
        value[chance.integers(0, points, 200)] += chance.choice([-4, 4], 200).astype(np.float32)
    if kind == "bursts":
        for begin in chance.integers(0, points, 20).tolist():
            burst = value[begin : begin + points // 2000]
            burst += chance.standard_normal(len(burst), np.float32)
    if kind == "gaps":
        for begin in chance.integers(0, points, 10).tolist():
            value[begin : begin + points // 50] = np.nan
        value[chance.integers(0, points, points // 100)] = np.nan
    return value.astype(np.float64)


def spans(x: Ints, y: Floats, points: int) -> Spans:
    """What a line through these points covers of each pixel column."""
    edges = np.linspace(0, points - 1, WIDTH + 1)
    at_edge = np.interp(edges, x, y)
    low, high = np.minimum(at_edge[:-1], at_edge[1:]), np.maximum(at_edge[:-1], at_edge[1:])
    starts = np.searchsorted(x, edges)
    for column in range(WIDTH):
        inside = y[starts[column] : max(starts[column + 1], starts[column])]
        if len(inside):
            low[column] = min(low[column], inside.min())
            high[column] = max(high[column], inside.max())
    return low, high


def rows(drawn: Spans, truth: Spans) -> tuple[Ints, Ints]:
    """The lowest and the highest pixel of each column."""
    bottom, top = truth[0].min(), truth[1].max()
    low, high = (np.rint((side - bottom) / (top - bottom) * (HEIGHT - 1)).astype(np.int64) for side in drawn)
    return low, high


def picture(drawn: Spans, truth: Spans) -> Picture:
    low, high = rows(drawn, truth)
    row = np.arange(HEIGHT)[:, None]
    return np.asarray((row >= low) & (row <= high))


def dissimilarity(one: Picture, other: Picture) -> float:
    """DSSIM, (1 - SSIM) / 2, with windows of 8 x 8 pixels."""

    def mean(image: Floats) -> Floats:
        sums = np.pad(image.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
        return np.asarray((sums[8:, 8:] - sums[:-8, 8:] - sums[8:, :-8] + sums[:-8, :-8]) / 64)

    a, b = one.astype(float), other.astype(float)
    mean_a, mean_b = mean(a), mean(b)
    var_a, var_b = mean(a * a) - mean_a**2, mean(b * b) - mean_b**2
    both = mean(a * b) - mean_a * mean_b
    c1, c2 = 0.01**2, 0.03**2
    similar = (2 * mean_a * mean_b + c1) * (2 * both + c2)
    similar /= (mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2)
    return float((1 - similar.mean()) / 2)


def reservoir(x: Ints, y: Floats) -> Ints:
    """What TensorBoard keeps of a stream: a uniform sample, and the last point."""
    chance = np.random.default_rng(0)
    last = len(y) - 1
    chosen = chance.choice(last, min(RESERVOIR, len(y)) - 1, replace=False)
    return np.sort(np.append(chosen, last))


PEERS: dict[str, Callable[[Ints, Floats], Ints]] = {
    "LTTB": lambda x, y: LTTBDownsampler().downsample(y, n_out=COUNT),
    "M4": lambda x, y: M4Downsampler().downsample(y, n_out=COUNT),
    "MinMaxLTTB": lambda x, y: MinMaxLTTBDownsampler().downsample(y, n_out=COUNT),
    "reservoir of 1,000": reservoir,
}


def stored(path: Path, value: Floats) -> Store:
    store = Store.open(path)
    (input,) = store.register(
        [Input("k", "w", "log", "log", "/x.log", "x.log", folder="", why="bench", structured=True)]
    )
    for at in range(0, len(value), BATCH):
        step = np.arange(at, min(at + BATCH, len(value)), dtype=np.int64)
        points = Points(step, 1.7e12 + 100.0 * step, value[step], step)
        store.apply(input, Batch(str(at).encode(), {"loss": Series(points)}))
    return store


def of_lensd(store: Store, points: int) -> Iterator[tuple[str, int, float, Spans]]:
    """(who, points sent, seconds, spans)."""
    with store.read() as reader:
        began = time.process_time()
        slices = list(lens.points(reader, "w", Selection(downsample=COUNT))[1])
        took = time.process_time() - began
        x, y = (np.concatenate([getattr(s, name) for s in slices]) for name in ("iteration", "value"))
        yield f"lensd, `downsample={COUNT}`", len(x), took, spans(x, y, points)
        began = time.process_time()
        (series,) = panels(reader, PanelQuestion(["w"], ["loss"], bins=WIDTH)).panels[0].series
        took = time.process_time() - began
        low, high = np.array(series.low, float), np.array(series.high, float)
        filled = np.flatnonzero(np.isfinite(low))  # bins without points are joined by a line
        line = np.interp(np.arange(WIDTH), filled, (low[filled] + high[filled]) / 2)
        low, high = np.where(np.isfinite(low), low, line), np.where(np.isfinite(high), high, line)
        low[1:], high[1:] = np.minimum(low[1:], high[:-1]), np.maximum(high[1:], low[:-1])
        yield f"lensd, panel of {WIDTH} bins", 2 * len(filled), took, (low, high)


def main() -> None:
    print("| points | curve | by | points sent | other pixels | DSSIM | columns with their extremes | ms |")
    print("|---|---|---|---|---|---|---|---|")
    for points in [int(float(text)) for text in sys.argv[1:]] or [1_000_000]:
        for kind in KINDS:
            value = curve(kind, points)
            x: Ints = np.flatnonzero(~np.isnan(value))
            y = value[x]
            truth = spans(x, y, points)
            drawn: list[tuple[str, int, float, Spans]] = []
            with tempfile.TemporaryDirectory() as folder:
                store = stored(Path(folder) / "x.db", value)
                list(of_lensd(store, points))  # warm
                drawn += of_lensd(store, points)
                store.close()
            for name, choose in PEERS.items():
                began = time.process_time()
                index = choose(x, y)
                took = time.process_time() - began
                drawn.append((name, len(index), took, spans(x[index], y[index], points)))
            whole = picture(truth, truth)
            ends = rows(truth, truth)
            for name, sent, took, own in drawn:
                made = picture(own, truth)
                low, high = rows(own, truth)
                kept = ((abs(low - ends[0]) <= 1) & (abs(high - ends[1]) <= 1)).mean()
                print(
                    f"| {points:,} | {kind} | {name} | {sent:,} | {(made ^ whole).mean():.2%}"
                    f" | {dissimilarity(made, whole):.4f} | {kept:.1%} | {took * 1e3:,.1f} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
