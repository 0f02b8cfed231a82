"""Runs a command as if it were started directly, and copies every byte it prints to a log.

Its stdout and stderr are pseudo-terminals where ours are terminals, else pipes, so that it prints the same as
without us; they are one where ours are one terminal, pipe or file, so that it prints in the same order. A
process of its own copies what it prints, and goes on if we are killed, so that the command does too. Each
signal reaches the command once: the terminal sends its signals to the whole foreground group, and others are
passed on.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import subprocess
import threading
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from lensd import platform

#: Passed on to the command, unless the terminal sent them: then the command has received them as well.
FORWARDED = (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)
_WATCHED = {*FORWARDED, signal.SIGWINCH, signal.SIGCHLD}

_LINGER = 1.0  # seconds to wait, after the command, for what it printed last to be copied


class CommandError(Exception):
    """The command could not be started. `code`: the exit code of a shell. The message is one sentence."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


def run(
    command: Sequence[str],
    environment: Mapping[str, str],
    log: Path,
    on_start: Callable[[], object] = lambda: None,
) -> int:
    """Run the command and return its exit code, as a shell would (128 + N if signal N ended it).

    on_start: called once the command runs. Raises CommandError if it cannot be started, OSError if the log
    cannot be opened."""
    _fill_closed()
    with log.open("ab", buffering=0) as file:
        streams = [_Output(1, file.fileno()), _Output(2, file.fileno())]
        if _are_one(streams):
            streams[1].share(streams[0])
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _WATCHED)
        try:
            copier = _start_copier(streams)
            try:
                child = subprocess.Popen(
                    command,
                    env=dict(environment),
                    stdout=streams[0].inner,
                    stderr=streams[1].inner,
                    # Signals are blocked here only, to learn from next_signal who sent them.
                    preexec_fn=lambda: signal.pthread_sigmask(signal.SIG_SETMASK, before),
                )
            except OSError as error:
                code = 127 if error.errno == errno.ENOENT else 126
                raise CommandError(f"{command[0]}: {error.strerror}", code) from error
            finally:
                for stream in streams:
                    stream.leave_to_copier()
            on_start()
            code = _wait(child, streams)
            _linger(copier)
        finally:
            for stream in streams:
                stream.close()
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return code if code >= 0 else 128 - code


def _fill_closed() -> None:
    """Open nothing in the place of outputs that are closed, before the log takes their numbers."""
    for output in (1, 2):
        try:
            os.fstat(output)
        except OSError:
            nothing = os.open(os.devnull, os.O_WRONLY)
            if nothing != output:
                os.dup2(nothing, output)
                os.close(nothing)


def _are_one(streams: Sequence[_Output]) -> bool:
    """Do our outputs lead to the same terminal, pipe or file?"""
    if all(stream.is_terminal for stream in streams):
        return True
    first, second = os.fstat(1), os.fstat(2)
    return (first.st_dev, first.st_ino) == (second.st_dev, second.st_ino)


def _start_copier(streams: Sequence[_Output]) -> int:
    """Start the process that copies the outputs, in a session of its own, where no terminal sends it signals.
    Returns its number."""
    with warnings.catch_warnings():
        # Where there are threads: the copier uses none of their locks.
        warnings.simplefilter("ignore", DeprecationWarning)
        copier = os.fork()
    if copier:
        return copier
    try:
        os.setsid()
        with contextlib.suppress(OSError):
            os.close(0)  # who writes to our input shall notice when we end
        for stream in streams:
            stream.close_inner()
        for thread in [stream.start() for stream in streams]:
            if thread is not None:
                thread.join()
    finally:
        os._exit(0)


def _linger(copier: int) -> None:
    """Wait for the copier, but not for children of the command that keep its output open."""
    until = time.monotonic() + _LINGER
    while os.waitpid(copier, os.WNOHANG)[0] == 0 and time.monotonic() < until:
        time.sleep(0.005)


def _wait(child: subprocess.Popen[bytes], streams: Sequence[_Output]) -> int:
    while (code := child.poll()) is None:
        # The timeout is for a SIGCHLD that came between poll and here.
        received = platform.next_signal(_WATCHED, 1.0)
        if received is None:
            continue
        number, from_terminal = received
        if number == signal.SIGWINCH:
            for stream in streams:
                stream.copy_size()
        elif number != signal.SIGCHLD and not from_terminal:
            with contextlib.suppress(ProcessLookupError):
                child.send_signal(number)
    return code


class _Output:
    """One of our outputs: `inner` is the end that the command writes to; the copier copies from the other."""

    def __init__(self, ours: int, log: int) -> None:
        terminal = platform.open_terminal() if os.isatty(ours) else None
        self.is_terminal = terminal is not None
        self._ours, self._log = ours, log
        self._outer, self.inner = terminal or os.pipe()
        self._owns = True
        self.copy_size()

    def share(self, other: _Output) -> None:
        """Use the terminal or pipe of another output, which keeps both in the order they are printed."""
        os.close(self._outer)
        os.close(self.inner)
        self.inner, self._outer, self._owns = other.inner, other._outer, False

    def close_inner(self) -> None:
        if self._owns:
            os.close(self.inner)

    def leave_to_copier(self) -> None:
        """Close what the command and the copier hold; of a terminal not our end, through which its size is
        set."""
        self.close_inner()
        if not self.is_terminal:
            self.close()

    def close(self) -> None:
        if self._owns and self._outer >= 0:
            os.close(self._outer)
            self._outer = -1

    def copy_size(self) -> None:
        """Give the terminal of the command the size of ours."""
        if self.is_terminal and self._outer >= 0:
            platform.copy_terminal(self._ours, self._outer)

    def start(self) -> threading.Thread | None:
        if not self._owns:
            return None
        thread = threading.Thread(target=self._copy, name=f"lensd-run-{self._ours}", daemon=True)
        thread.start()
        return thread

    def _copy(self) -> None:
        try:
            while data := os.read(self._outer, 1 << 16):
                with contextlib.suppress(OSError):  # a full disk must not stop the command
                    _write(self._log, data)
                _write(self._ours, data)
        except OSError:
            # The command has closed its terminal (EIO), or nobody reads our output any more (EPIPE): then the
            # command shall get EPIPE too, as it would without us.
            return
        finally:
            os.close(self._outer)


def _write(file: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]
