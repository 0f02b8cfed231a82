"""The hook under older and newer SDKs."""

from __future__ import annotations

import pytest

from tests.hook.conftest import Server, Training

pytestmark = pytest.mark.sdk


def test_ten_thousand_steps_of_twenty_metrics_arrive(sdk: str, training: Training, server: Server) -> None:
    training.python = sdk
    training.run("""
        import wandb
        run = wandb.init(project="p")
        for step in range(10_000):
            run.log({f"m{i}": step + i for i in range(20)})
        wandb.finish()
    """)
    assert training.flush().returncode == 0
    assert len(server.points) == 200_000
    for index in range(20):
        assert server.series(f"m{index}") == {step: step + index for step in range(10_000)}


def test_steps_count_as_the_sdk_counts(sdk: str, training: Training, server: Server) -> None:
    training.python = sdk
    training.run("""
        import numpy as np
        import wandb
        run = wandb.init(project="p")
        wandb.log({"a": np.float32(0)})
        wandb.log({"a": 1}, commit=False)
        run.log({"opt": {"lr": 1}})
        wandb.log({"a": 10}, step=10)
        wandb.log({"b": 10})
        wandb.log({"a": 11})
        wandb.finish()
    """)
    assert server.series("a") == {0: 0, 1: 1, 10: 10, 11: 11}
    assert server.series("opt.lr") == {1: 1}
    assert server.series("b") == {10: 10}


@pytest.mark.parametrize("mode", ["disabled", "dryrun"])
def test_modes(mode: str, sdk: str, training: Training, server: Server) -> None:
    training.python = sdk
    training.run(
        """
        import wandb
        run = wandb.init(project="p", config={"lr": 1})
        wandb.log({"loss": 0})
        run.log({"loss": 1})
        wandb.finish()
        """,
        WANDB_MODE=mode,
    )
    assert server.series("loss") == {0: 0, 1: 1}
    assert server.bodies("detection")[0]["evidence"]["wandb"]["config"] == {"lr": 1}


def test_two_runs(sdk: str, training: Training, server: Server) -> None:
    training.python = sdk
    training.run("""
        import wandb
        for name in ("one", "two"):
            run = wandb.init(project="p", id=name)
            run.log({"loss": 1})
            run.finish()
    """)
    assert set(server.points) == {("one", "loss", 0), ("two", "loss", 0)}
