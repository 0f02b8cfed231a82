"""Runs a command as if nothing stood between it and the terminal, while every byte it prints also goes into
a log.

Its stdout and stderr are pseudo-terminals where ours are terminals, else pipes, so that it prints what it
would print without us. Signals reach it once: those that the terminal sends go to the whole foreground
anyway, others are passed on. This module knows nothing of lensd.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import pty
import select
import signal
import subprocess
import termios
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

#: Passed on to the command. The terminal sends the first three to it by itself (and SIGWINCH concerns us
#: only).
FORWARDED = (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)
_WATCHED = {*FORWARDED, signal.SIGWINCH, signal.SIGCHLD}

_FROM_KERNEL = 0x80  # si_code SI_KERNEL: the terminal sent it
_LINGER = 1.0  # seconds to wait for the end of output that a grandchild keeps open


class CommandError(Exception):
    """The command could not be started. `code` is what a shell would exit with; the message is one
    sentence."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


def run(command: Sequence[str], environment: Mapping[str, str], log: Path) -> int:
    """Run the command to its end. Its exit code, as a shell tells it (128 + N after signal N). Raises
    CommandError when it cannot be started, OSError when the log cannot be written."""
    with log.open("ab", buffering=0) as file:
        streams = [_Output(1, file.fileno()), _Output(2, file.fileno())]
        if streams[0].is_terminal and streams[1].is_terminal:
            streams[1].share(streams[0])
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _WATCHED)
        try:
            try:
                child = subprocess.Popen(
                    command,
                    env=dict(environment),
                    stdout=streams[0].inner,
                    stderr=streams[1].inner,
                    # Held back here only, so that sigwaitinfo can tell where a signal came from.
                    preexec_fn=lambda: signal.pthread_sigmask(signal.SIG_SETMASK, before),
                )
            except OSError as error:
                code = 127 if error.errno == errno.ENOENT else 126
                raise CommandError(f"{command[0]}: {error.strerror}", code) from error
            finally:
                for stream in streams:
                    stream.close_inner()
            threads = [stream.start() for stream in streams]
            code = _wait(child, streams)
            until = time.monotonic() + _LINGER
            for thread in threads:
                if thread is not None:
                    thread.join(max(0.0, until - time.monotonic()))
        finally:
            for stream in streams:
                stream.stopped = True
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return code if code >= 0 else 128 - code


def _wait(child: subprocess.Popen[bytes], streams: Sequence[_Output]) -> int:
    while (code := child.poll()) is None:
        # The time limit is for a SIGCHLD that came between poll and here.
        told = signal.sigtimedwait(_WATCHED, 1.0)
        if told is None or told.si_signo == signal.SIGCHLD:
            continue
        if told.si_signo == signal.SIGWINCH:
            for stream in streams:
                stream.copy_size()
        elif told.si_code != _FROM_KERNEL:
            with contextlib.suppress(ProcessLookupError):
                child.send_signal(told.si_signo)
    return code


class _Output:
    """One of our outputs: the end that the command writes to, and a thread that copies from it."""

    def __init__(self, ours: int, log: int) -> None:
        self.is_terminal = os.isatty(ours)
        self.stopped = False
        self._ours, self._log = ours, log
        self._outer, self.inner = pty.openpty() if self.is_terminal else os.pipe()
        self._owns = True
        self.copy_size()

    def share(self, other: _Output) -> None:
        """Use the terminal of another stream, which keeps what is printed in its order."""
        os.close(self._outer)
        os.close(self.inner)
        self.inner, self._outer, self._owns = other.inner, other._outer, False

    def close_inner(self) -> None:
        if self._owns:
            os.close(self.inner)

    def copy_size(self) -> None:
        """The command sees a terminal as large as ours."""
        if self.is_terminal:
            with contextlib.suppress(OSError):
                size = fcntl.ioctl(self._ours, termios.TIOCGWINSZ, b"\0" * 8)
                fcntl.ioctl(self._outer, termios.TIOCSWINSZ, size)
                # Our terminal turns \n into \r\n; the inner one must not do it first.
                modes = termios.tcgetattr(self._outer)
                modes[1] &= ~termios.OPOST
                termios.tcsetattr(self._outer, termios.TCSANOW, modes)

    def start(self) -> threading.Thread | None:
        if not self._owns:
            return None
        thread = threading.Thread(target=self._copy, name=f"lensd-run-{self._ours}", daemon=True)
        thread.start()
        return thread

    def _copy(self) -> None:
        try:
            while not self.stopped:
                if not select.select([self._outer], [], [], 0.5)[0]:
                    continue
                data = os.read(self._outer, 1 << 16)
                if not data:
                    return
                with contextlib.suppress(OSError):  # a full disk must not stop the command
                    _write(self._log, data)
                _write(self._ours, data)
        except OSError:
            # The command has closed its terminal (EIO), or nobody reads ours any more (EPIPE): then the
            # command shall meet the closed pipe itself, as it would without us.
            return
        finally:
            os.close(self._outer)


def _write(file: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]
