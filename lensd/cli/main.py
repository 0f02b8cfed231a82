"""The command line. Every error is one sentence on stderr; `lensd.cli.exit` has the exit codes.

A command is imported when it is called, so that none waits for what another needs.
"""

from __future__ import annotations

import importlib

import click

from lensd import __version__

_EPILOG = """
\b
Exit codes:
  0  success
  1  some inputs could not be read, or nothing was found in them
  2  wrong usage or configuration
  3  the database cannot be used, or could not store everything
  4  cannot listen on the address
"""

#: Where each command is, and what the list of commands says of it, in the order in which people need them.
COMMANDS = {
    "serve": (
        "lensd.cli.serve",
        "serve_command",
        "Read the runs under PATH while they grow, and serve them.",
    ),
    "run": ("lensd.cli.run", "run", "Run a training command and serve its metrics."),
    "sources": ("lensd.cli.commands", "sources_command", "Show which files are read, as what, and why."),
    "doctor": ("lensd.cli.doctor", "doctor", "Show what each line of FILE becomes, and why."),
    "ingest": ("lensd.cli.commands", "ingest", "Read everything under PATH into a database, then exit."),
    "runs": ("lensd.cli.commands", "runs_command", "List the runs of a database, the newest first."),
    "report": (
        "lensd.cli.report",
        "report",
        "Write what happened in the runs under PATH, or of a database, as one document.",
    ),
    "export": (
        "lensd.cli.commands",
        "export",
        "Write the points of a workload to stdout, or everything into plain tables of SQLite.",
    ),
    "db": ("lensd.cli.sql", "database", "Ask a database."),
    "health": (
        "lensd.cli.health",
        "health",
        "Ask the daemon at URL whether it is ready: exit code 0 if it is, 1 if not.",
    ),
    "hook": ("lensd.cli.hook", "hook", "Report what training logs to wandb, without a change to its code."),
}


class _Commands(click.Group):
    """Lists commands without importing them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, name, _ = COMMANDS[cmd_name]
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, _, text) in COMMANDS.items()])


@click.group(cls=_Commands, epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="lensd", message="%(prog)s %(version)s")
def main() -> None:
    """Serve the metrics of training runs from the files that they already write.

    lensd reads text logs, TensorBoard event files and Weights & Biases files while they grow, keeps every
    point in one SQLite file, and serves a page with curves and a JSON API. Training code stays as it is.

    \b
    Serve a folder of runs, and see them in a browser:
      lensd serve --open ./runs

    \b
    Start a training and serve its metrics, with one command:
      lensd run -- python train.py

    \b
    See why a run or a curve is missing:
      lensd sources ./runs                     which files are read, as what, and why
      lensd doctor ./runs/exp1/train.log       what each line of a file becomes, and why

    \b
    See how a run went, from a copy of its folder:
      lensd report ./runs/exp1 -o report.html

    \b
    Work without a daemon:
      lensd ingest ./runs --db runs.db         read everything once
      lensd runs --db runs.db                  list the runs
      lensd export --db runs.db --workload exp1 --format csv

    `lensd COMMAND --help` explains a command.
    """
