"""The tables that commands print."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import click

from lensd.cli.exit import note
from lensd.cli.messages import shown
from lensd.model import SET_ASIDE
from lensd.query.results import InputInfo, RunInfo, WorkloadInfo
from lensd.query.workloads import sentence_about

_READABLE = ("ok", "new")


def counted(count: int, noun: str, spec: str = "d") -> str:
    """`1 point`, `1206 points`, or as `spec` formats the number."""
    return f"{count:{spec}} {noun}" + "s" * (count != 1)


def print_inputs(inputs: Sequence[InputInfo], problems: Mapping[str, str]) -> None:
    """Every input under its workload: what it is, how far it is read, what is wrong and what hides it."""
    names = {input.id: input.name for input in inputs}
    workload = why = None
    for input in inputs:
        if input.workload != workload:
            workload, why = input.workload, input.why
            name = input.workload_name
            title = workload if name == workload else f"{name} [{workload}]"
            click.echo()
            _say(f"{title}  ({input.why})")
        _say(f"  {input.id}  {input.data_source:<10} {input.name}")
        _say(f"      {_summary(input)}")
        if input.why != why:
            _say(f"      {input.why}")
        if input.hidden_by:
            hiding = ", ".join(names.get(key, key) for key in input.hidden_by)
            _say(f"      {input.hidden_points} points hidden by {hiding}")
        for text in (input.note, input.error):
            if text:
                _say(f"      ! {text}")
    if problems:
        click.echo()
    for sentence in problems.values():
        _say(f"! {sentence}")


def _say(line: str) -> None:
    click.echo(shown(line))


def _summary(input: InputInfo) -> str:
    nothing = "no log format matches" if input.records or input.state in _READABLE else "not read yet"
    parts = [input.log_format or nothing, f"{input.points} points"]
    if input.unparsed:
        parts.append(f"{input.unparsed} of {input.records} records unparsed")
    if input.skipped:
        parts.append(f"{input.skipped} corrupt records skipped")
    if input.lag_bytes:
        parts.append(f"{input.lag_bytes} bytes behind")
    if input.time_inferred:
        parts.append("times inferred")
    if input.state not in _READABLE:
        parts.append(input.state)
    return ", ".join(parts)


def print_summary(inputs: Sequence[InputInfo], problems: Mapping[str, str]) -> bool:
    """What `lensd ingest` read. True if something could not be read; each such input is named on stderr."""
    points = sum(input.points for input in inputs)
    unparsed = sum(input.unparsed for input in inputs)
    workloads = {input.workload for input in inputs}
    read, of = counted(len(inputs), "input"), counted(len(workloads), "workload")
    click.echo(f"{read} of {of}, {counted(points, 'point')}, {counted(unparsed, 'unparsed line')}")
    unreadable = [input for input in inputs if input.state not in _READABLE]
    for input in inputs:
        if input.note and input.log_format != SET_ASIDE:
            note(f"warning: {sentence_about(input, input.note)}")
    for input in unreadable:
        note(sentence_about(input, str(input.error)))
    for sentence in problems.values():
        note(sentence)
    return bool(unreadable or problems)


def print_runs(runs: Sequence[tuple[RunInfo, WorkloadInfo]]) -> None:
    """One line per run: its name, and the uid that commands and requests want."""
    rows = [("RUN", "UID", "STATUS", "ITERATION", "CREATED (UTC)", "SOURCES", "FRAMEWORK")]
    for run, workload in runs:
        target = f"/{workload.target_iteration}" if workload.target_iteration else ""
        rows.append(
            (
                shown(workload.name),
                shown(run.id),
                shown(run.status),
                f"{workload.iteration}{target}" if workload.iteration is not None else "-",
                _date(run.created_time),
                shown(",".join(workload.data_sources) or "-"),
                shown(workload.framework or "-"),
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        click.echo("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())


def _date(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")
    except (OverflowError, ValueError, OSError):
        return "-"
