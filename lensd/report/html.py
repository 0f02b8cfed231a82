"""A report as one HTML file that needs nothing else: it opens from a mail, offline, on any screen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from lensd.query.panels import Panel
from lensd.report.contents import RunReport
from lensd.report.curves import panel_svg, step_time_svg
from lensd.report.facts import ALARMING, METRIC_COLUMNS, event_text, facts_of, metric_cells
from lensd.report.wording import when

_STYLE = """
:root{color-scheme:light dark;--fg:#1c2126;--dim:#5c6670;--bg:#fff;--line:#d9dee3;--card:#f7f8f9;
--c0:#1f66c1;--c1:#c2530a;--c2:#1c7f4f;--c3:#b3275f;--bad:#c62828}
@media(prefers-color-scheme:dark){:root{--fg:#e4e8ec;--dim:#9aa5b0;--bg:#14171a;--line:#343b42;--card:#1b1f23;
--c0:#6aa9f4;--c1:#f59a5b;--c2:#5ecb96;--c3:#f2789f;--bad:#ff6b6b}}
*{box-sizing:border-box}
body{font:14px/1.5 system-ui,sans-serif;color:var(--fg);background:var(--bg);
max-width:1120px;margin:0 auto;padding:24px}
h1{font-size:22px;margin:0 0 4px}h2{font-size:19px;margin:40px 0 4px}h3{font-size:14px;margin:24px 0 8px}
a{color:var(--c0)}p{margin:4px 0}.dim{color:var(--dim)}
table{border-collapse:collapse;font-variant-numeric:tabular-nums}
th,td{text-align:left;padding:3px 14px 3px 0;border-bottom:1px solid var(--line);vertical-align:top}
th{font-weight:600;color:var(--dim)}td.n,th.n{text-align:right}td{overflow-wrap:anywhere}
.scroll{overflow-x:auto}.bad{color:var(--bad)}
.status{display:inline-block;padding:0 8px;border-radius:9px;border:1px solid var(--line);
font-size:12px}h2 .status{margin-left:8px;font-weight:400;vertical-align:3px}
.failed,.crashed{color:var(--bad);border-color:var(--bad)}
.curves{display:grid;grid-template-columns:repeat(auto-fill,minmax(300px,1fr));gap:12px}
figure{margin:0;padding:8px;background:var(--card);border:1px solid var(--line);border-radius:6px}
figcaption{font-size:12px;overflow-wrap:anywhere}
svg{width:100%;display:block}svg text{font-size:9px;fill:var(--dim)}svg .y{text-anchor:end}
.axis{stroke:var(--line);fill:none}polyline{fill:none;stroke-width:1.3;stroke-linejoin:round}
polygon{opacity:.25}.c0{stroke:var(--c0);fill:var(--c0)}.c1{stroke:var(--c1);fill:var(--c1)}
.c2{stroke:var(--c2);fill:var(--c2)}.c3{stroke:var(--c3);fill:var(--c3)}
polygon{stroke:none}svg .bad{stroke:var(--bad);stroke-width:1.5}
pre{background:var(--card);border:1px solid var(--line);border-radius:6px;padding:8px;
overflow-x:auto;font-size:12px}
ul{list-style:none;padding:0;margin:0}li{padding:2px 0}summary{cursor:pointer}
@media print{body{max-width:none}figure,pre{break-inside:avoid}}
"""


def document(title: str, made_ms: float, runs: Sequence[RunReport]) -> Iterator[str]:
    """The file up to its sections: head, and a table of the runs where there are several."""
    yield (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>"
        f'<h1>{escape(title)}</h1><p class="dim">written {when(made_ms)} by lensd</p>'
    )
    if len(runs) > 1:
        rows = [
            f'<tr><td><a href="#run{index}">{escape(one.run.name)}</a></td><td>{_status(one.run.status)}</td>'
            f"<td>{escape(facts.get('steps', '-'))}</td><td>{escape(facts.get('duration', '-'))}</td>"
            f"<td>{escape(one.run.framework or '-')}</td></tr>"
            for index, one in enumerate(runs)
            for facts in [dict(facts_of(one))]
        ]
        yield (
            '<div class="scroll"><table><tr><th>Run<th>Status<th>Steps<th>Duration<th>Framework</tr>'
            f"{''.join(rows)}</table></div>"
        )


END = "</body></html>\n"


def section(index: int, one: RunReport, curves: Sequence[Panel], curves_left_out: int) -> Iterator[str]:
    """What happened in one run."""
    yield f'<h2 id="run{index}">{escape(one.run.name)}{_status(one.run.status)}</h2>'
    rows = "".join(f"<tr><th>{escape(name)}</th><td>{escape(text)}</td></tr>" for name, text in facts_of(one))
    yield f'<div class="scroll"><table>{rows}</table></div>'
    for sentence in one.run.warnings:
        yield f'<p class="bad">{escape(sentence)}</p>'
    yield from _events(one)
    yield from _metrics(one)
    yield from _curves(one, curves, curves_left_out)
    if one.run.config:
        rows = "".join(
            f"<tr><th>{escape(name)}</th><td>{escape(str(value))}</td></tr>"
            for name, value in sorted(one.run.config.items())
        )
        count = len(one.run.config)
        yield f"<details><summary>Configuration ({count})</summary><table>{rows}</table></details>"
    if one.log_tail:
        yield f"<h3>Last lines of the log</h3><pre>{escape(chr(10).join(one.log_tail))}</pre>"


def _events(one: RunReport) -> Iterator[str]:
    if not one.events:
        return
    yield "<h3>What happened</h3><ul>"
    for event in one.events:
        bad = ' class="bad"' if event.kind in ALARMING else ""
        text = f"<span{bad}>{escape(event_text(event))}</span>"
        if event.lines:
            lines = escape("\n".join(event.lines))
            yield f"<li><details><summary>{text}</summary><pre>{lines}</pre></details></li>"
        else:
            yield f"<li>{text}</li>"
    yield "</ul>"
    if one.events_left_out:
        yield f'<p class="dim">{one.events_left_out} more are left out.</p>'


def _metrics(one: RunReport) -> Iterator[str]:
    if not one.metrics:
        yield "<p>No metric has a point.</p>"
        return
    head = "".join(f"<th{' class=n' if at else ''}>{name}</th>" for at, name in enumerate(METRIC_COLUMNS))
    rows = []
    for metric in one.metrics:
        cells = metric_cells(metric)
        bad = ' class="n bad"' if metric.not_finite else ' class="n"'
        rows.append(
            f"<tr><td>{escape(cells[0])}</td>"
            + "".join(f'<td class="n">{escape(cell)}</td>' for cell in cells[1:-1])
            + f"<td{bad}>{escape(cells[-1])}</td></tr>"
        )
    yield f'<h3>Metrics</h3><div class="scroll"><table><tr>{head}</tr>{"".join(rows)}</table></div>'
    if one.metrics_left_out:
        yield f'<p class="dim">{one.metrics_left_out} more metrics are left out.</p>'


def _curves(one: RunReport, curves: Sequence[Panel], left_out: int) -> Iterator[str]:
    figures = [(panel.metric, panel_svg(panel)) for panel in curves if panel.series]
    if one.step_times:
        figures.append(("seconds a step", step_time_svg(one.step_times)))
    if not figures:
        return
    yield '<h3>Curves</h3><div class="curves">'
    for name, picture in figures:
        yield f"<figure><figcaption>{escape(name)}</figcaption>{picture}</figure>"
    yield "</div>"
    if left_out:
        yield f'<p class="dim">{left_out} more curves are left out to keep the file small.</p>'


def _status(status: str) -> str:
    return f'<span class="status {escape(status)}">{escape(status)}</span>'
