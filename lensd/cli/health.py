"""`lensd health`: whether a daemon is ready, for probes of containers and for scripts."""

from __future__ import annotations

import os
import ssl
import urllib.error
import urllib.request

import click

from lensd.cli.exit import FAILED, USAGE, fail
from lensd.config import Config, ConfigError, load

_SECONDS = 5.0


@click.command()
@click.argument("url", required=False)
def health(url: str | None) -> None:
    """Ask the daemon at URL whether it is ready: exit code 0 if it is, 1 if not.

    Without URL it asks the daemon that the environment describes (LENSD_PORT, LENSD_TLS_CERT), on this
    machine.

    \b
    lensd health http://127.0.0.1:8080
    """
    try:
        address = (url or _address(load(None, os.environ, {}))).rstrip("/") + "/readyz"
        request = urllib.request.Request(address)
    except (ConfigError, ValueError) as error:
        fail(USAGE, str(error))
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # no secret is sent
    try:
        with urllib.request.urlopen(request, timeout=_SECONDS, context=context) as response:
            click.echo(f"{address}: {response.status} ready")
    except urllib.error.HTTPError as error:
        fail(FAILED, f"{address}: {error.code} {error.read(500).decode('utf-8', 'replace').strip()}")
    except (OSError, ValueError) as error:
        fail(FAILED, f"{address}: {getattr(error, 'reason', error)}")


def _address(options: Config) -> str:
    scheme = "https" if options.tls_cert else "http"
    return f"{scheme}://127.0.0.1:{options.ports[0]}"
