"""What only some operating systems offer, each with a fallback for the others.

Linux has all of it. macOS has no /proc and no sigtimedwait; lensd runs there with the fallbacks.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import os
import signal
import sys
import time
from collections.abc import Collection, Iterator
from typing import IO, Any, NamedTuple


def _optional(name: str) -> Any:
    """A module of the standard library; None where the system has none of it."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


_fcntl, _pty, _resource, _termios = map(_optional, ("fcntl", "pty", "resource", "termios"))

_NETWORK_FILE_SYSTEMS = frozenset(
    "nfs nfs4 cifs smb3 smbfs lustre gpfs beegfs ceph fuse.sshfs 9p afs glusterfs".split()
)
_KERNEL_FILE_SYSTEMS = frozenset(
    "proc sysfs cgroup cgroup2 debugfs tracefs securityfs devtmpfs devpts mqueue bpf pstore configfs efivarfs"
    " fusectl binfmt_misc selinuxfs".split()
)
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8  # of glibc's malloc.h
_FROM_KERNEL = 0x80  # si_code SI_KERNEL: the terminal sent the signal
_SIGNAL_POLL_S = 0.05


def network_file_system(path: str) -> str | None:
    """The type of the network file system that holds `path`; None for a local or unknown one.

    Fallback: None.
    """
    try:
        with open("/proc/self/mounts", encoding="utf-8", errors="replace") as file:
            mounts = file.read().splitlines()
    except OSError:
        return None
    folder = os.path.realpath(os.path.dirname(os.path.abspath(path)))
    longest, kind = "", None
    for line in mounts:
        fields = line.split()
        if len(fields) < 3:
            continue
        mount = fields[1].encode().decode("unicode_escape")
        inside = folder == mount or folder.startswith(mount.rstrip("/") + "/")
        if inside and len(mount) >= len(longest):
            longest, kind = mount, fields[2]
    return kind if kind in _NETWORK_FILE_SYSTEMS else None


def kernel_devices() -> frozenset[int]:
    """The devices (`st_dev`) of file systems that the kernel makes up, on which a read may wait for ever, as
    one of /proc/kmsg does. Fallback: none."""
    try:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as file:
            mounts = file.read().splitlines()
    except OSError:
        return frozenset()
    devices = set()
    for line in mounts:
        mount, _, source = line.partition(" - ")  # proc(5): ID PARENT MAJOR:MINOR ... - TYPE ...
        major, _, minor = mount.split(" ")[2].partition(":")
        if source.split(" ")[0] in _KERNEL_FILE_SYSTEMS:
            devices.add(os.makedev(int(major), int(minor)))
    return frozenset(devices)


def lock(file: IO[bytes]) -> bool:
    """Lock an open file until it is closed or the process ends. False if another process holds the lock.

    Fallback, also for file systems without locks: True, without a lock.
    """
    if _fcntl is not None:
        try:
            _fcntl.flock(file, _fcntl.LOCK_EX | _fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:
            pass
    return True


def resident_bytes() -> float:
    """Memory of this process. Fallback: its peak so far, or 0."""
    if _resource is None:
        return 0.0
    try:
        with open("/proc/self/statm", "rb") as file:
            return float(int(file.read().split()[1]) * _resource.getpagesize())
    except (OSError, ValueError, IndexError):
        peak = _resource.getrusage(_resource.RUSAGE_SELF).ru_maxrss
        return float(peak if sys.platform == "darwin" else peak * 1024)


def keep_little_memory() -> None:
    """Let freed memory go back to the system. Fallback: nothing.

    glibc gives each thread a heap of its own, eight of ours, and each keeps the most that its thread has ever
    needed; while runs grow that is more with every answer. Two heaps do: one thread runs Python at a time.
    """
    with contextlib.suppress(AttributeError, OSError, ValueError):
        mallopt = ctypes.CDLL(None).mallopt
        for option, value in (
            (_M_ARENA_MAX, 2),
            (_M_MMAP_THRESHOLD, 256 << 10),
            (_M_TRIM_THRESHOLD, 512 << 10),
        ):
            mallopt(option, value)


def file_limit() -> int:
    """How many files and connections this process may have open. Fallback: 256."""
    if _resource is None:
        return 256
    soft = int(_resource.getrlimit(_resource.RLIMIT_NOFILE)[0])
    return soft if soft != _resource.RLIM_INFINITY else 1 << 20


def descendants(process: int) -> Iterator[int]:
    """The ids of all processes below this one. Fallback: none."""
    try:
        threads = os.listdir(f"/proc/{process}/task")
    except OSError:
        return
    for thread in threads:
        try:
            with open(f"/proc/{process}/task/{thread}/children") as file:
                children = [int(child) for child in file.read().split()]
        except (OSError, ValueError):
            continue
        for child in children:
            yield child
            yield from descendants(child)


def open_files(process: int) -> Iterator[str]:
    """The paths that a process has open. Fallback: none."""
    try:
        entries = list(os.scandir(f"/proc/{process}/fd"))
    except OSError:
        return
    for entry in entries:
        try:
            path = os.readlink(entry.path)
        except OSError:
            continue
        if path.startswith("/") and not path.endswith(" (deleted)"):
            yield path


class Process(NamedTuple):
    """A process. began: when it started, in clock ticks since the machine did, because ids are used again."""

    id: int
    began: int


def writers(names: Collection[str]) -> dict[tuple[int, int], frozenset[Process]]:
    """The processes that have files of these names open for writing, by device and inode of the file.

    Those of other users, machines and containers may not be visible. Fallback: none.
    """
    processes: dict[tuple[int, int], frozenset[Process]] = {}
    for number in _entries("/proc"):
        if not number.isdigit() or int(number) == os.getpid():
            continue
        for descriptor in _entries(f"/proc/{number}/fd"):
            path = f"/proc/{number}/fd/{descriptor}"
            try:
                # The permissions of the link are those that the file was opened with.
                if not os.lstat(path).st_mode & 0o200 or os.path.basename(os.readlink(path)) not in names:
                    continue
                file = os.stat(path)
                process = Process(int(number), _process_state(int(number))[2])
            except OSError:  # closed, or the process ended
                continue
            key = (file.st_dev, file.st_ino)
            processes[key] = processes.get(key, frozenset()) | {process}
    return processes


def process(number: int) -> Process | None:
    """The process of this id; None if there is none, or one that has ended and is not waited for."""
    try:
        state, threads, began = _process_state(number)
    except OSError:
        return Process(number, 0) if _exists(number) else None
    return None if state in "ZX" and threads <= 1 else Process(number, began)


def has_ended(process: Process) -> bool:
    """Whether a process that was seen is certain to have ended. Fallback: False."""
    try:
        state, threads, began = _process_state(process.id)
    except (FileNotFoundError, ProcessLookupError):
        return not _exists(process.id)
    except OSError:
        return False
    return began != process.began or (state in "ZX" and threads <= 1)


def _entries(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _process_state(process: int) -> tuple[str, int, int]:
    """The state of a process, how many threads it has, and when it began, as in `Process`. Raises OSError.

    Format: proc_pid_stat(5), behind the name, which may hold anything.
    """
    with open(f"/proc/{process}/stat", "rb") as file:
        fields = file.read().rpartition(b")")[2].split()
    return fields[0].decode(), int(fields[17]), int(fields[19])


def _exists(process: int) -> bool:
    """Whether there is a process of this id, also one that /proc hides from us."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass
    return True


def next_signal(signals: Collection[int], seconds: float) -> tuple[int, bool] | None:
    """Wait for one of these signals, which every thread must block. None if none came in time.

    Returns its number and whether the terminal sent it, in which case the whole foreground has got it.
    Fallback: waits a moment only; SIGINT and SIGQUIT count as sent by the terminal if there is one.
    """
    if hasattr(signal, "sigtimedwait"):
        info = signal.sigtimedwait(signals, seconds)
        return None if info is None else (info.si_signo, info.si_code == _FROM_KERNEL)
    pending = signal.sigpending() & set(signals)
    if not pending:
        time.sleep(min(seconds, _SIGNAL_POLL_S))
        return None
    number = signal.sigwait({min(pending)})
    return number, number in (signal.SIGINT, signal.SIGQUIT) and os.isatty(0)


def open_terminal() -> tuple[int, int] | None:
    """A new pseudo-terminal: our end, and the end for a command. Fallback: None."""
    return None if _pty is None else _pty.openpty()


def copy_terminal(source: int, target: int) -> None:
    """Give the pseudo-terminal `target` the size of the terminal `source`, and let it pass \\n unchanged: the
    terminal that shows the output turns it into \\r\\n."""
    if _termios is None or _fcntl is None:
        return
    with contextlib.suppress(OSError):
        size = _fcntl.ioctl(source, _termios.TIOCGWINSZ, b"\0" * 8)
        _fcntl.ioctl(target, _termios.TIOCSWINSZ, size)
        modes = _termios.tcgetattr(target)
        modes[1] &= ~_termios.OPOST
        _termios.tcsetattr(target, _termios.TCSANOW, modes)
