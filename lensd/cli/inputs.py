"""What the commands that read inputs share: their arguments, the store, the poller, and a progress bar."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import click

from lensd.cli.exit import note
from lensd.config import Config
from lensd.ingest.poller import Poller
from lensd.ingest.sources import sources
from lensd.ingest.tracked import ReadProgress
from lensd.store import Store

INPUTS = (
    "lensd looks for text logs (*.log *.out *.err *.txt *.jsonl *.csv *.tsv, stdout, *.o123, no suffix; also"
    " packed), TensorBoard event files (*tfevents*), W&B files (*.wandb) and the files of other"
    " adapters; a file that you name is read whatever its name is"
)

workload_option = click.option(
    "--workload", metavar="UID", help="Put everything into this one workload (also $WORKLOAD_UID)."
)
config_option = click.option(
    "--config", metavar="FILE", help="A TOML file; config.example.toml explains every option."
)
paths_argument = click.argument("paths", nargs=-1, metavar="[PATH]...")


def open_store(path: str) -> Store:
    store = Store.open(path)
    for warning in store.warnings:
        note(f"warning: {warning}")
    return store


def poller_of(options: Config, store: Store) -> Poller:
    adapters, unavailable = sources(options)
    for name, reason in sorted(unavailable.items()):
        note(f"adapter {name} {reason}")
    return Poller(store, adapters, polling=options.polling)


@contextmanager
def read_once(options: Config) -> Iterator[tuple[Store, dict[str, str]]]:
    """A store, gone afterwards, with everything that the options name; and a sentence by path or adapter for
    what could not be read."""
    with (
        tempfile.TemporaryDirectory(prefix="lensd-") as folder,
        closing(Store.open(os.path.join(folder, "once.db"))) as store,
    ):
        adapters, unavailable = sources(options)
        poller = Poller(store, adapters, polling=options.polling)
        with progress_bar("reading") as progress:
            poller.drain(progress=progress, final=True)
        yield store, poller.problems | {name: f"adapter {name} {why}" for name, why in unavailable.items()}


@contextmanager
def progress_bar(label: str) -> Iterator[Callable[[ReadProgress], None] | None]:
    """A progress bar over bytes on stderr; None if that is not a terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    with click.progressbar(length=1, label=label, file=sys.stderr) as bar:

        def show(progress: ReadProgress) -> None:
            bar.length = max(1, progress.done_bytes + progress.left_bytes)
            bar.update(progress.done_bytes - bar.pos)

        yield show
