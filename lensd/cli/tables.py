"""Tables that the command line prints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import click

from lensd.query.results import InputInfo, RunInfo, WorkloadInfo


def print_inputs(inputs: Sequence[InputInfo], problems: Mapping[str, str]) -> None:
    """Every input under its workload: what it is, how far it was read, what is wrong or hidden."""
    names = {each.id: each.name for each in inputs}
    workload = None
    for each in inputs:
        if each.workload != workload:
            workload = each.workload
            click.echo(f"\n{workload}  ({each.why})")
        click.echo(f"  {each.id}  {each.data_source:<10} {each.name}")
        click.echo(f"      {_facts(each)}")
        if each.hidden_by:
            by = ", ".join(names.get(key, key) for key in each.hidden_by)
            click.echo(f"      {each.hidden_points} points hidden by {by}")
        for text in (each.note, each.error):
            if text:
                click.echo(f"      ! {text}")
    if problems:
        click.echo()
    for sentence in problems.values():
        click.echo(f"! {sentence}")


def _facts(each: InputInfo) -> str:
    facts = [each.log_format or "not recognised yet", f"{each.points} points"]
    if each.unparsed:
        facts.append(f"{each.unparsed} of {each.records} records unparsed")
    if each.skipped:
        facts.append(f"{each.skipped} corrupt records skipped")
    if each.lag_bytes:
        facts.append(f"{each.lag_bytes} bytes behind")
    if each.time_inferred:
        facts.append("times inferred")
    if each.state not in ("ok", "new"):
        facts.append(each.state)
    return ", ".join(facts)


def print_summary(inputs: Sequence[InputInfo], problems: Mapping[str, str]) -> bool:
    """What an ingest did; True where something could not be read (all of it is named)."""
    points = sum(each.points for each in inputs)
    unparsed = sum(each.unparsed for each in inputs)
    workloads = {each.workload for each in inputs}
    click.echo(
        f"{len(inputs)} inputs of {len(workloads)} workloads, {points} points, {unparsed} unparsed lines"
    )
    bad = [each for each in inputs if each.state not in ("ok", "new")]
    for each in bad:
        click.echo(f"lensd: {each.name}: {each.error}", err=True)
    for sentence in problems.values():
        click.echo(f"lensd: {sentence}", err=True)
    return bool(bad or problems)


def print_runs(runs: Sequence[tuple[RunInfo, WorkloadInfo]]) -> None:
    """One line a run."""
    rows = [("RUN", "STATUS", "ITERATION", "CREATED (UTC)", "SOURCES", "FRAMEWORK")]
    for run, known in runs:
        target = f"/{known.target_iteration}" if known.target_iteration else ""
        rows.append(
            (
                run.id,
                run.status,
                f"{known.iteration}{target}" if known.iteration is not None else "-",
                _date(run.created_time),
                ",".join(known.data_sources) or "-",
                known.framework or "-",
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
