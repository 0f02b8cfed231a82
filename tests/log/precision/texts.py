"""Texts of the machine's folders: documentation, prose, source code, configuration, logs, data."""

from __future__ import annotations

import gzip
import random
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

LARGEST = 4 << 20  # bytes of a text


@dataclass(frozen=True, slots=True)
class Text:
    """kind: for the table. name: of the file it is written to, which says no more than names do."""

    kind: str
    name: str
    data: bytes


STDLIB = Path(sysconfig.get_path("stdlib"))
SHARE = Path("/usr/share")
#: Kind, the name that a text is given, and where it lies.
FOLDERS: tuple[tuple[str, str, Path, str, int], ...] = (
    ("documentation", "readme.txt", SHARE / "doc", "*/README*", 40),
    ("change logs", "changes.txt", SHARE / "doc", "*/[Cc]hange*", 60),
    ("licences", "terms.txt", SHARE / "common-licenses", "*", 12),
    ("prose, German", "prosa.txt", SHARE / "games/fortunes/de", "*", 12),
    ("prose, French", "texte.txt", SHARE / "games/fortunes/fr", "*", 12),
    ("prose, Spanish", "prosa.txt", SHARE / "games/fortunes/es", "*", 12),
    ("prose, English", "prose.txt", SHARE / "games/fortunes", "*", 12),
    ("source code, Python", "code.txt", STDLIB, "*.py", 60),
    ("source code, Python tests", "code.txt", STDLIB / "test", "*.py", 30),
    ("source code, C", "code.txt", Path("/usr/include"), "*.h", 40),
    ("source code, Perl", "code.txt", SHARE / "perl", "**/*.p[lm]", 30),
    ("source code, JavaScript", "code.txt", SHARE / "nodejs", "**/*.js", 30),
    ("source code, shell", "code.txt", Path("/etc/init.d"), "*", 12),
    ("configuration", "settings.txt", Path("/etc"), "*.conf", 40),
    ("configuration", "settings.txt", SHARE / "mime/packages", "*.xml", 2),
    ("system logs", "system.log", Path("/var/log"), "*.log", 12),
    ("system logs", "system.log", Path("/var/log/apt"), "*", 6),
    ("word lists", "words.txt", SHARE / "dict", "*", 4),
    ("tables", "table.csv", SHARE / "distro-info", "*.csv", 4),
    ("JSON", "data.json", SHARE, "**/*.json", 25),
)
LANGUAGES = ("", "de", "fr", "es", "ru", "ja", "zh_CN")


def found(seed: int = 7) -> Iterator[Text]:
    """Of each folder, the same files each time."""
    for kind, name, folder, pattern, most in FOLDERS:
        paths = sorted(path for path in folder.glob(pattern) if path.is_file() and not path.is_symlink())
        for number, path in enumerate(chosen(paths, most, seed)):
            data = contents(path)
            if data and b"\0" not in data[:4096]:
                yield Text(kind, numbered(name, number), data)


def manuals(seed: int = 7) -> Iterator[Text]:
    """Manual pages as they are shown, in some languages."""
    for language in LANGUAGES:
        pages = sorted((SHARE / "man" / language).glob("man[1-8]/*.gz"))
        for number, path in enumerate(chosen(pages, 15, seed)):
            shown = subprocess.run(
                ["man", "-E", "UTF-8", "-P", "cat", "-l", str(path)],
                capture_output=True, timeout=60, check=False,
            ).stdout  # fmt: skip
            if shown:
                yield Text(f"manual pages, {language or 'en'}", numbered("manual.txt", number), shown)


def bytecode() -> Iterator[Text]:
    """What the compiler of Python makes of some modules, as `dis` shows it."""
    for number, name in enumerate(("json/decoder.py", "heapq.py", "textwrap.py")):
        listing = subprocess.run(
            [sys.executable, "-m", "dis", str(STDLIB / name)], capture_output=True, check=False
        )
        yield Text("listings", numbered("listing.txt", number), listing.stdout)


def chosen(paths: Iterable[Path], most: int, seed: int) -> list[Path]:
    paths = list(paths)
    return paths if len(paths) <= most else random.Random(seed).sample(paths, most)


def contents(path: Path) -> bytes:
    try:
        if path.suffix == ".gz":
            with gzip.open(path) as file:
                return file.read(LARGEST)
        with path.open("rb") as file:
            return file.read(LARGEST)
    except OSError:
        return b""


def numbered(name: str, number: int) -> str:
    stem, dot, suffix = name.rpartition(".")
    return f"{stem}-{number}{dot}{suffix}"
