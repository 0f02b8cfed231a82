"""Curves as SVG, drawn as on the page: a band from the least to the greatest value of each bin, the mean over
it, and a mark where values are not finite."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from html import escape

from lensd.query.panels import Panel, PanelSeries
from lensd.report.contents import StepTime
from lensd.report.wording import number

_WIDTH, _HEIGHT = 320, 130
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 6, 8, 18
_COLOURS = 4  # classes c0 to c3


def panel_svg(panel: Panel) -> str:
    """One metric; a curve for each data source."""
    values = [v for series in panel.series for v in (*series.low, *series.high) if math.isfinite(v)]
    frame = _Frame(panel.lo, panel.hi, min(values, default=0.0), max(values, default=0.0))
    parts = []
    for index, series in enumerate(panel.series):
        parts.append(f'<g class="c{index % _COLOURS}">{"".join(_curve(frame, panel, series))}</g>')
    return frame.svg(panel.metric, parts)


def step_time_svg(step_times: Sequence[StepTime]) -> str:
    """Seconds a step over the steps."""
    values = [one.seconds for one in step_times]
    frame = _Frame(step_times[0].first_step, step_times[-1].last_step, 0.0, max(values))
    points = " ".join(
        f"{frame.x(step):.1f},{frame.y(one.seconds):.1f}"
        for one in step_times
        for step in (one.first_step, one.last_step)
    )
    return frame.svg("seconds a step", [f'<g class="c1"><polyline points="{points}"/></g>'])


class _Frame:
    """Where values are on the picture. A range without extent is put in the middle."""

    def __init__(self, lo: float, hi: float, least: float, greatest: float) -> None:
        self._lo, self._hi, self._least, self._greatest = lo, hi, least, greatest

    def x(self, value: float) -> float:
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * _share(value, self._lo, self._hi)

    def y(self, value: float) -> float:
        return _TOP + (_HEIGHT - _TOP - _BOTTOM) * (1.0 - _share(value, self._least, self._greatest))

    def svg(self, title: str, parts: Sequence[str]) -> str:
        bottom = _HEIGHT - _BOTTOM
        return (
            f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img"><title>{escape(title)}</title>'
            f'<path class="axis" d="M{_LEFT} {_TOP}V{bottom}H{_WIDTH - _RIGHT}"/>'
            f'<text x="{_LEFT - 4}" y="{_TOP + 7}" class="y">{number(self._greatest)}</text>'
            f'<text x="{_LEFT - 4}" y="{bottom}" class="y">{number(self._least)}</text>'
            f'<text x="{_LEFT}" y="{_HEIGHT - 5}">{self._lo:.0f}</text>'
            f'<text x="{_WIDTH - _RIGHT}" y="{_HEIGHT - 5}" class="y">{self._hi:.0f}</text>'
            f"{''.join(parts)}</svg>"
        )


def _share(value: float, lo: float, hi: float) -> float:
    half = hi / 2 - lo / 2  # hi - lo overflows for the greatest floats
    return (value / 2 - lo / 2) / half if half > 0 else 0.5


def _curve(frame: _Frame, panel: Panel, series: PanelSeries) -> Iterator[str]:
    width = (panel.hi - panel.lo) / panel.bins
    places = [
        frame.x(panel.lo + width * (bin + 0.5)) if width else frame.x(panel.lo) for bin in range(panel.bins)
    ]
    filled = [bin for bin, value in enumerate(series.middle) if math.isfinite(value)]
    if any(series.high[bin] > series.low[bin] for bin in filled):
        above = [f"{places[bin]:.1f},{frame.y(series.high[bin]):.1f}" for bin in filled]
        below = [f"{places[bin]:.1f},{frame.y(series.low[bin]):.1f}" for bin in reversed(filled)]
        yield f'<polygon points="{" ".join(above + below)}"/>'
    if len(filled) == 1:
        yield f'<circle cx="{places[filled[0]]:.1f}" cy="{frame.y(series.middle[filled[0]]):.1f}" r="2"/>'
    else:
        points = " ".join(f"{places[bin]:.1f},{frame.y(series.middle[bin]):.1f}" for bin in filled)
        yield f'<polyline points="{points}"/>'
    marks = "".join(f"M{frame.x(x):.1f} {_HEIGHT - _BOTTOM}v-6" for x in series.not_finite_x[:50])
    if marks:
        yield f'<path class="bad" d="{marks}"/>'
