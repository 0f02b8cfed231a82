"""How commands end: the exit codes, and the sentence on stderr that says what went wrong."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import click

from lensd.cli.messages import shown
from lensd.config import ConfigError
from lensd.store import StoreError

#: docs/commands.md lists these.
UNREADABLE, USAGE, DATABASE, ADDRESS = 1, 2, 3, 4
#: `lensd hook`: the hook is not installed, or not everything was sent.
FAILED = 1
_INTERRUPTED = 130  # what shells use for SIGINT


def note(sentence: str) -> None:
    """Say something that is not the output of the command."""
    click.echo(f"lensd: {shown(sentence)}", err=True)


def fail(code: int, sentence: str) -> NoReturn:
    """Say what went wrong, and exit."""
    note(sentence)
    raise SystemExit(code)


@contextmanager
def errors() -> Iterator[None]:
    """Turn the errors that users can cause into a sentence and an exit code."""
    try:
        yield
    except ConfigError as error:
        fail(USAGE, str(error))
    except StoreError as error:
        fail(DATABASE, str(error))
    except BrokenPipeError:
        # The reader of our output has gone (`| head`): no error, but stdout must not be flushed again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(0) from None
    except KeyboardInterrupt:
        fail(_INTERRUPTED, "interrupted")
