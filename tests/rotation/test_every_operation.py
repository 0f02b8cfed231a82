"""A log is rotated right before each single file operation of a read, one after the other."""

from __future__ import annotations

from pathlib import Path

import pytest

from lensd.tail import Position, read_lines
from tests.rotation import world as rotations
from tests.rotation.world import Rotation, World, slow_down

LINES = 12  # between two rotations


class Sudden(World):
    """A world where whole rotations happen at once, right before chosen operations."""

    def __init__(self, folder: Path, rotation: Rotation, at: set[int]) -> None:
        super().__init__(folder, rotation, interval_ms=1e12, line_ms=1e12)
        self._at = at

    def operation(self) -> None:
        if not self._advancing:
            self.operations += 1
            if self.operations in self._at:
                self.rotate()

    def rotate(self) -> None:
        self._advancing = True
        self.rotations += 1
        for _ in self._rotation(self):
            pass
        self.lines()
        self._advancing = False

    def lines(self) -> None:
        for _ in range(LINES):
            self.write()


def read_all(world: World, position: Position | None) -> tuple[list[int], Position]:
    steps: list[int] = []
    while True:
        chunk = read_lines(str(world.log), position, 1 << 16)
        assert not chunk.restarted
        steps += [int(line.text.split()[1]) for line in chunk.lines]
        position = chunk.position
        if not chunk.more:
            return steps, position


@pytest.mark.parametrize("rotation", rotations.IN_PYTHON, ids=lambda function: function.__name__)
def test_a_rotation_before_any_operation_loses_and_doubles_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rotation: Rotation
) -> None:
    operation = 0
    while True:
        operation += 1
        folder = tmp_path / str(operation)
        folder.mkdir()
        world = Sudden(folder, rotation, {operation, operation + 5})
        slow_down(world, monkeypatch)
        world.lines()
        steps, position = read_all(world, None)
        world.rotate()
        more, position = read_all(world, position)
        steps += more
        operations = world.operations
        monkeypatch.undo()
        more, position = read_all(world, position)  # what came behind a read is for the next one
        steps += more
        assert steps == world.written, f"operations {operation} and {operation + 5}"
        world.stop()
        if operation > operations:
            break
    assert operation > 15
