"""Puts the daemon together: store, poller, HTTP, signals."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import signal
import socket
import ssl
import threading
from collections.abc import Callable, Sequence
from functools import partial

from aiohttp import web

from lensd.api.app import make_app
from lensd.api.door import DOOR
from lensd.api.ratelimit import is_loopback
from lensd.config import Config, ConfigError
from lensd.ingest.ending import Ending
from lensd.ingest.poller import Poller
from lensd.store import Store, StoreError

log = logging.getLogger(__name__)

_LOOK_SECONDS = 30.0  # between two looks for missing levels of detail

#: Bytes of a request line. Grafana lists every metric in it if all values of a variable are selected.
LONGEST_LINE = 64 << 10
#: Connections that wait to be accepted.
BACKLOG = 128
_ENDING_SECONDS = 0.5  # between two looks at whether the job is over


class CannotListen(Exception):
    """An address could not be bound; the message is one sentence."""


def bind(host: str, ports: Sequence[int]) -> list[socket.socket]:
    """Listen on all of the ports, or on none. Raises CannotListen."""
    sockets: list[socket.socket] = []
    try:
        for port in ports:
            sockets.append(_bind(host, port))  # noqa: PERF401 - if one fails, the others are closed
    except BaseException:
        for bound in sockets:
            bound.close()
        raise
    return sockets


def _bind(host: str, port: int) -> socket.socket:
    try:
        (family, _, _, _, address), *_ = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except (socket.gaierror, OverflowError) as error:
        raise CannotListen(f"cannot listen on {host}: {error}") from error
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
        bound.listen(BACKLOG)
        bound.setblocking(False)
    except OSError as error:
        bound.close()
        reason = {
            errno.EADDRINUSE: "another program is listening there; stop it, or choose another --port",
            errno.EACCES: "not allowed for this user; ports below 1024 are reserved",
            errno.EADDRNOTAVAIL: "this machine has no such address",
        }.get(error.errno or 0, error.strerror)
        raise CannotListen(f"cannot listen on {host}:{port}: {reason}") from error
    return bound


def is_local(bound: socket.socket) -> bool:
    """Whether only this machine can connect."""
    return is_loopback(bound.getsockname()[0])


def tls_context(config: Config) -> ssl.SSLContext | None:
    """The certificate to serve with, if there is one. Raises ConfigError if it cannot be used."""
    if not config.tls_cert:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    _load_certificate(context, config)
    return context


def _load_certificate(context: ssl.SSLContext, config: Config) -> None:
    assert config.tls_cert
    try:
        context.load_cert_chain(config.tls_cert, config.tls_key)
    except OSError as error:
        names = config.tls_cert + (f" with {config.tls_key}" if config.tls_key else "")
        raise ConfigError(f"the certificate {names} cannot be used: {error.strerror or error}") from error


def address(host: str, bound: socket.socket, scheme: str = "http") -> str:
    shown = f"[{host}]" if ":" in host else host
    return f"{scheme}://{shown}:{bound.getsockname()[1]}"


async def run(
    config: Config,
    store: Store,
    poller: Poller,
    sockets: Sequence[socket.socket],
    say: Callable[[str], None],
    *,
    once: bool = False,
    opener: Callable[[str], None] | None = None,
    tls: ssl.SSLContext | None = None,
    ending: Ending | None = None,
) -> None:
    """Serve until SIGINT or SIGTERM, then stop within a few seconds even if streams are open.

    once: everything has been read already; do not poll. say: prints a line. opener: shows the first address
    to the user, in a thread that nobody waits for: some browsers end only when they are closed. tls: serve
    HTTPS. ending: says when the job is over that the daemon accompanies; then everything is read to its end,
    however long that takes.

    SIGHUP reads the certificate anew, and nothing else. From a terminal that is closed it ends the daemon.
    """
    stopped, scheme = asyncio.Event(), "https" if tls else "http"
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        # Event loops on Windows and outside the main thread take no handlers. Ctrl-C then raises as usual.
        with contextlib.suppress(NotImplementedError, ValueError):
            loop.add_signal_handler(number, stopped.set)
    # The same, and Windows has no SIGHUP.
    with contextlib.suppress(NotImplementedError, ValueError, AttributeError):
        hangup = stopped.set if _on_terminal() else partial(_renew_certificate, tls, config)
        loop.add_signal_handler(signal.SIGHUP, hangup)
    app = make_app(store, config, poller)
    runner = web.AppRunner(
        app,
        access_log=None,
        handle_signals=False,
        shutdown_timeout=1.0,
        max_line_size=LONGEST_LINE,
        keepalive_timeout=config.limits.idle_seconds,  # also until the header of a request has come
    )
    await runner.setup()
    assert runner.server is not None
    factory = app[DOOR].guard(runner.server)
    servers: list[asyncio.Server] = []
    catching_up: asyncio.Task[None] | None = None
    closing, is_over = threading.Event(), False
    try:
        if not once:
            poller.start()
        catching_up = asyncio.create_task(asyncio.to_thread(_catch_up, store, closing))
        for bound in sockets:
            servers.append(await loop.create_server(factory, sock=bound, ssl=tls, backlog=BACKLOG))
            say(f"lensd listening on {address(config.host, bound, scheme)}")
        if opener:
            first = address(config.host, sockets[0], scheme)
            threading.Thread(target=opener, args=(first,), name="opener", daemon=True).start()
        is_over = await _until(stopped, ending, say)
        log.info("stopping")
    finally:
        closing.set()
        for server in servers:
            server.close()
        await runner.cleanup()
        drain = 0.0 if once else float("inf") if is_over else config.drain_seconds
        await asyncio.to_thread(poller.stop, drain_seconds=drain, final=is_over)
        if catching_up:
            await catching_up


async def _until(stopped: asyncio.Event, ending: Ending | None, say: Callable[[str], None]) -> bool:
    """Wait for a signal, or for the end of the job: then True."""
    while ending is not None and not stopped.is_set():
        reason = await asyncio.to_thread(ending)
        if reason:
            say(f"{reason}: reading what is left")
            return True
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stopped.wait(), _ENDING_SECONDS)
    await stopped.wait()
    return False


def _on_terminal() -> bool:
    return os.isatty(0) or os.isatty(1)


def _renew_certificate(tls: ssl.SSLContext | None, config: Config) -> None:
    """Connections made from now on get the certificate that is in the file now."""
    if tls is None:
        log.info("SIGHUP is ignored: nothing is read anew")
        return
    try:
        _load_certificate(tls, config)
    except ConfigError as error:
        log.error("%s; the previous one stays", error)
    else:
        log.info("the certificate was read anew")


def _catch_up(store: Store, ending: threading.Event) -> None:
    """Make the levels of detail that are missing in the database, between everything else."""
    try:
        while not ending.wait(0.02 if store.catch_up() else _LOOK_SECONDS):
            pass
    except StoreError as error:
        log.warning("levels of detail of older points are left out for now: %s", error)
