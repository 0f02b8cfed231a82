"""Reads a run through the wandb package: exports of history in Parquet, system metrics, the console.

The package is imported when the first run is read, and starts a Go program. `server` needs neither.
"""

from __future__ import annotations

import importlib.util
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from lensd.adapter import InputDead, InputGone, RetryAfter
from lensd_wandb_cloud.server import WandbServer

_TIMEOUT_S = 60
_MOST_SYSTEM_ROWS = 10_000
_CONSOLE = "output.log"
_LONGEST_CONSOLE = 64 << 20

#: Whether the package can be imported.
is_installed: Callable[[], bool] = lambda: importlib.util.find_spec("wandb") is not None  # noqa: E731


class WandbPackage(WandbServer):
    """One server. Runs are listed by GraphQL; their content comes through the package."""

    page = 1_000_000  # steps to ask for at once: each request loads all exports of the run

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._api: Any = None

    def rows(self, entity: str, project: str, run: str, first: int, end: int) -> list[str]:
        with self._run(entity, project, run) as its:
            # The cache of the package never notices that a run has more exports now.
            rows = its.scan_history(min_step=first, max_step=end, page_size=end - first, use_cache=False)
            return [json.dumps(row) for row in rows]

    def system_rows(self, entity: str, project: str, run: str) -> list[dict[str, Any]]:
        """Rows of system metrics, sampled by the server if there are very many."""
        with self._run(entity, project, run) as its:
            return list(its.history(samples=_MOST_SYSTEM_ROWS, pandas=False, stream="system"))

    def console(self, entity: str, project: str, run: str) -> list[str]:
        """The lines of the console; none where the run has no such file."""
        with self._run(entity, project, run) as its, tempfile.TemporaryDirectory(prefix="lensd-") as folder:
            for file in its.files(names=[_CONSOLE]):
                if file.name == _CONSOLE and 0 < file.size < _LONGEST_CONSOLE:
                    with file.download(root=folder, replace=True) as text:
                        return list(text.read().splitlines())
        return []

    @contextmanager
    def _run(self, entity: str, project: str, run: str) -> Iterator[Any]:
        """The run as the package has it. What the package raises becomes an error with the next action."""
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
        os.environ.setdefault("WANDB_SILENT", "true")
        import wandb

        try:
            if self._api is None:
                self._api = wandb.Api(overrides={"base_url": self.url}, timeout=_TIMEOUT_S)
            self._api.flush()  # else it answers from what it read before
            yield self._api.run(f"{entity}/{project}/{run}")
        except (wandb.errors.AuthenticationError, wandb.errors.UsageError) as error:
            raise InputDead(f"{self.url} refuses the key in WANDB_API_KEY: {_first_line(error)}") from None
        except (wandb.errors.Error, ValueError, OSError) as error:
            if "Could not find run" in str(error):
                raise InputGone(f"{entity}/{project}/{run} is not at {self.url}") from None
            raise RetryAfter(f"{self.url}: {_first_line(error)}", 60.0) from None


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__
