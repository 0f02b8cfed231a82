"""`lensd hook`: installs the hook into an environment, removes it, and sends what it could not send."""

from __future__ import annotations

import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

import click

from lensd.cli.exit import FAILED, USAGE, fail
from lensd.hook import install
from lensd.hook.client import ApiClient
from lensd.hook.install import InstallError
from lensd.hook.leftovers import flush
from lensd.hook.settings import HookSettings, variable

_python = click.option(
    "--python",
    metavar="PATH",
    help="The Python of the training environment.  [default: the one that runs lensd]",
)
_url = click.option(
    "--url",
    metavar="URL",
    help="The API (also $LENSD_API_BASE_URL).  [default: http://127.0.0.1:8080/api/v1]",
)


@click.group()
def hook() -> None:
    """Report what training logs to wandb, without a change to its code.

    \b
    lensd hook install --python ~/venv/bin/python    every `import wandb` there reports to lensd
    lensd hook status
    lensd hook flush                                 send what was kept while no daemon answered
    """


@hook.command(name="install")
@_python
def install_command(python: str | None) -> None:
    """Install the hook into a Python environment. It does nothing until wandb is imported.

    \b
    lensd hook install --python ~/venv/bin/python
    """
    try:
        target = install.environment(python)
        folder = install.install(target)
    except InstallError as error:
        fail(USAGE, str(error))
    click.echo(f"the hook is installed in {folder}")
    click.echo(f"it reports to {HookSettings.read().base_url} unless LENSD_API_BASE_URL says otherwise")


@hook.command()
@_python
def uninstall(python: str | None) -> None:
    """Remove the hook from a Python environment.

    \b
    lensd hook uninstall --python ~/venv/bin/python
    """
    try:
        folders = install.uninstall(install.environment(python))
    except InstallError as error:
        fail(USAGE, str(error))
    for folder in folders:
        click.echo(f"removed the hook from {folder}")
    if not folders:
        click.echo("the hook is not installed there")


@hook.command()
@_python
@_url
def status(python: str | None, url: str | None) -> None:
    """Show whether the hook is installed, where it reports to, and whether a daemon answers there.

    \b
    lensd hook status --python ~/venv/bin/python
    """
    try:
        target = install.environment(python)
    except InstallError as error:
        fail(USAGE, str(error))
    folder = target.installed()
    if folder is None:
        click.echo(f"not installed for {target.python}")
    elif install.is_current(folder):
        click.echo(f"installed in {folder}")
    else:
        click.echo(f"installed in {folder}, of another version or incomplete: run `lensd hook install` again")
    base = _base(url)
    click.echo(f"{base} {'answers' if answers(base) else 'does not answer'}")
    click.echo(
        f"the workload is {HookSettings.read().workload or 'the id of each run (WORKLOAD_UID is not set)'}"
    )
    if folder is None:
        raise SystemExit(FAILED)


@hook.command(name="flush")
@click.argument("folders", nargs=-1, metavar="[FOLDER]...")
@_url
def flush_command(folders: tuple[str, ...], url: str | None) -> None:
    """Send the spools below FOLDER (default: here), which training kept while no daemon answered.

    \b
    lensd hook flush ./experiments --url http://127.0.0.1:8080
    """
    settings = HookSettings.read()
    client = ApiClient(_base(url), settings.token)
    accepted = files = rejected = 0
    problem = ""
    for folder in folders or [variable("SPOOL_DIR") or "."]:
        if not Path(folder).is_dir():
            fail(USAGE, f"{folder} is not a folder")
        sent = flush(folder, client, max(settings.timeout, 30.0))
        accepted += sent.accepted
        rejected += sent.rejected
        files += sent.files
        problem = problem or sent.problem
    click.echo(f"{accepted} log calls of {files} spool files sent to {client.base_url}")
    if rejected:
        fail(FAILED, f"{rejected} log calls were refused: {problem}")
    if problem:
        fail(FAILED, f"not everything was sent: {problem}")


def answers(base_url: str, timeout: float = 2.0) -> bool:
    """Whether a daemon answers at the address."""
    parts = urlsplit(base_url)
    try:
        with urllib.request.urlopen(f"{parts.scheme}://{parts.netloc}/healthz", timeout=timeout) as answer:
            return bool(answer.status == 200)
    except urllib.error.HTTPError as error:
        error.close()
        return False
    except (OSError, ValueError):
        return False


def _base(url: str | None) -> str:
    return HookSettings.read(base_url=url).base_url
