"""What compilers, build tools and test runners print, over a small project that is made for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tests.log.precision.commands import PYTHON, output
from tests.log.precision.texts import Text

_FILES = 40
_FUNCTION = (
    "#include <stdio.h>\nint area_{n}(int side) {{ int result = side * {n}, unused;\n"
    '  printf("area %d=%d\\n", side, result); return result - "{n}"[0]; }}\n'
)
_TEST = (
    "import pytest, time, unittest\n"
    "@pytest.mark.parametrize('side', range(40))\n"
    "def test_area(side): print('side', side, 'area', side / 40); assert side != 33\n"
    "class TestArea(unittest.TestCase):\n"
    + "".join(f"    def test_area_{n}(self): self.assertAlmostEqual({n}.5, {n}.5)\n" for n in range(30))
)
_CARGO = '[package]\nname = "areas"\nversion = "0.1.0"\nedition = "2021"\n'
_RUST = "".join(f"#[test] fn area_{n}() {{ let area = {n}; assert!(true) }}\n" for n in range(40))
_NODE = (
    "const {test} = require('node:test');\n"
    "for (let i = 0; i < 60; i++) test('area ' + i, t => { t.diagnostic('side: ' + i / 60); });\n"
)

BUILDS: dict[str, str] = {
    "make": "make -B -j2;make -B -d;make -B V=1 2>&1 | tee log;make -n -B;make -p -n",
    "cmake and ninja": "cmake -G Ninja -S . -B n;cmake --build n -- -v;touch *.c; ninja -C n;touch *.c; ninja -C n -d stats"
    ";touch *.c; ninja -C n -d explain;cmake -S . -B m;cmake --build m;cmake --build m --clean-first -- VERBOSE=1"
    ";cmake --trace -S . -B m;ninja -C n -t graph;ninja -C n -t commands",
    "compilers": "gcc -v -Wall -Wextra -c *.c;gcc -ftime-report -O3 -c f1.c;gcc -S -O2 -o - *.c;gcc -E f1.c"
    ";gcc -Wall -fdiagnostics-format=json -c *.c;gcc -O3 -fopt-info-all -c *.c;javac -verbose Work.java"
    ";gcc -fdump-statistics -fmem-report -c f1.c;ld --verbose;gcc -H -c f1.c;as -al f1.s",
    "test runners": f"{PYTHON} -m pytest -p no:cacheprovider t;{PYTHON} -m pytest -p no:cacheprovider -v -s t"
    f";{PYTHON} -m pytest -p no:cacheprovider -v --durations=0 t;{PYTHON} -m unittest -v t/test_a.py"
    f";{PYTHON} -m pytest -p no:cacheprovider -n 2 -v t;node --test n.js;node --test --test-reporter tap n.js"
    f";ctest --test-dir n -V;{PYTHON} -m pytest -p no:cacheprovider t --junitxml=/dev/stdout -q",
    "cargo": "cd rust && cargo build -v --offline;cd rust && cargo test --offline;cd rust && cargo build --timings --offline"
    ";cd rust && cargo test --offline -- --show-output --test-threads 1;cd rust && rustc --print cfg",
    "npm": "cd node && npm install --no-audit --loglevel verbose left-pad;cd node && npm ls --all --json"
    ";cd node && npm pack --dry-run;cd node && npm config ls -l",
    "pip": f"{PYTHON} -m pip -vv download --no-deps -d pip six;{PYTHON} -m pip debug --verbose"
    f";{PYTHON} -m pip install --dry-run --no-deps --ignore-installed --report - -q six"
    f";script -qec '{PYTHON} -m pip download --no-deps -d pip2 numpy' /dev/null",
}  # fmt: skip


def builds(folder: Path) -> Iterator[Text]:
    """The output of each, both streams. The commands run in the order of the table."""
    project(folder)
    for kind, lines in BUILDS.items():
        for number, line in enumerate(lines.split(";")):
            data = output(line.replace("{d}", str(folder.parent)), folder)
            if data.strip():
                yield Text(kind, f"build-{number}.log", data)


def project(folder: Path) -> None:
    for name in ("t", "rust/src", "node"):
        (folder / name).mkdir(parents=True)
    for n in range(_FILES):
        (folder / f"f{n}.c").write_text(_FUNCTION.format(n=n))
    calls = "".join(f"area_{n}({n});" for n in range(_FILES))
    (folder / "main.c").write_text(f"int main(void) {{ {calls} return 0; }}\n")
    (folder / "Makefile").write_text(
        "CFLAGS = -Wall -Wextra -w\nall: main\nmain: $(patsubst %.c,%.o,$(wildcard *.c))\n\t$(CC) -o $@ $^\n"
    )
    (folder / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.10)\nproject(areas C)\nenable_testing()\nfile(GLOB S *.c)\n"
        "add_compile_options(-w)\nadd_executable(main ${S})\n"
        "foreach(i RANGE 1 30)\nadd_test(NAME area_${i} COMMAND main)\nendforeach()\n"
    )
    (folder / "t" / "test_a.py").write_text(_TEST)
    (folder / "n.js").write_text(_NODE)
    (folder / "rust" / "Cargo.toml").write_text(_CARGO)
    (folder / "rust" / "src" / "lib.rs").write_text(_RUST)
    (folder / "node" / "package.json").write_text('{"name": "areas", "version": "1.0.0"}')
