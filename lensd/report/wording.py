"""How reports write numbers, times and durations."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime

_GREATEST = re.compile(
    r"acc|reward|return|f1|auc|bleu|map(?![a-z])|iou|psnr|recall|precision|success|score", re.IGNORECASE
)


def greatest_is_best(metric: str) -> bool:
    """Whether the best value of a metric is its greatest. Of losses, errors and all that is not known it is
    the least."""
    return _GREATEST.search(metric) is not None and "loss" not in metric.lower()


def number(value: float) -> str:
    """Five significant digits."""
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("∞" if value > 0 else "-∞")
    return f"{value:.5g}"


def duration(seconds: float) -> str:
    """`8.4 s`, `12 min 30 s`, `3 h 12 min`, `2 d 4 h`."""
    if seconds < 60:
        return f"{seconds:.3g} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min"
    return f"{hours // 24} d {hours % 24} h"


def when(ts_ms: float | None) -> str:
    """A time of UTC milliseconds; `-` where it is unknown or beyond the calendar."""
    if ts_ms is None:
        return "-"
    try:
        return datetime.fromtimestamp(ts_ms / 1000.0, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (OverflowError, ValueError, OSError):
        return "-"
