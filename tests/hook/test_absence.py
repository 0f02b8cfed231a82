"""Servers that come and go, disks that are full, processes that are killed: nothing is lost or harmed."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest

from lensd.hook.channel import Channel
from lensd.hook.reporter import Reporter
from lensd.hook.settings import HookSettings
from lensd.hook.spool import Spool, open_leftover
from tests.hook.conftest import Server, Training

pytestmark = pytest.mark.slow  # each test starts training in processes of its own

LONG = """
    import wandb
    wandb.init(project="p", id="abc")
    for step in range(1000):
        wandb.log({"loss": step, "lr": step / 1000})
        if step in (499, 799):
            print(step, flush=True)
            input()
"""


def answer(process: subprocess.Popen[str], line: str) -> None:
    """Wait until training has come to a place, to let it go on."""
    assert process.stdout is not None
    assert process.stdout.readline() == line + "\n"


def go_on(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def test_a_server_that_dies_at_500_and_is_back_at_800_has_every_point(
    training: Training, server: Server
) -> None:
    process = training.start(LONG)
    answer(process, "499")
    server.wait_for(lambda: len(server.series("loss")) == 500)
    server.stop()
    go_on(process)
    answer(process, "799")
    server.start()
    go_on(process)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert server.series("loss") == {step: step for step in range(1000)}
    assert server.series("lr") == {step: step / 1000 for step in range(1000)}
    assert not training.spools
    assert len(server.bodies("detection")) == 1


def test_a_server_that_is_away_at_the_start_gets_everything_when_it_comes(
    training: Training, server: Server
) -> None:
    server.stop()
    process = training.start(LONG)
    answer(process, "499")
    go_on(process)
    answer(process, "799")
    server.start()
    server.wait_for(lambda: len(server.series("loss")) == 800)
    go_on(process)
    process.communicate(timeout=60)
    assert len(server.series("loss")) == 1000


def test_points_of_a_killed_process_are_kept_while_the_server_is_away(
    training: Training, server: Server
) -> None:
    server.stop()
    process = training.start("""
        import os, time, wandb
        wandb.init(project="p")
        for step in range(100):
            wandb.log({"loss": step})
        from lensd_hook.lifetime import reporter
        channel = reporter().channels[0]
        while channel.queued_values or channel.pending_values:
            time.sleep(0.01)
        print("spooled", flush=True)
        input()
    """)
    answer(process, "spooled")
    (spool,) = training.spools
    assert open_leftover(str(spool)) is None, "it belongs to a process that lives"
    process.send_signal(signal.SIGKILL)
    process.communicate()
    server.start()
    with spool.open("ab") as file:
        file.write(b'{"step": 100, "timest')  # the kill came in the middle of a line
    assert training.flush().returncode == 0
    assert list(server.series("loss")) == list(range(100))
    assert not training.spools


def test_the_next_hook_sends_what_an_earlier_one_could_not(training: Training, server: Server) -> None:
    server.stop()
    training.run("import wandb; wandb.init(project='p', id='first').log({'a': 1})")
    assert len(training.spools) == 1
    server.start()
    process = training.start("import wandb; wandb.init(project='p', id='second').log({'a': 2}); input()")
    server.wait_for(lambda: len(server.points) == 2)
    process.communicate("\n", timeout=60)
    assert server.points == {("first", "a", 0): 1, ("second", "a", 0): 2}
    assert not training.spools


def test_flush_says_when_nobody_answers(training: Training, server: Server) -> None:
    server.stop()
    training.run("import wandb; wandb.init(project='p').log({'a': 1})")
    done = training.flush()
    assert done.returncode == 1
    assert done.stderr.startswith(f"lensd: not everything was sent: {server.url} cannot be reached")
    assert len(training.spools) == 1


def test_a_body_that_is_too_large_is_sent_in_pieces(training: Training, server: Server) -> None:
    server.largest = 20_000
    process = training.start(
        """
        import wandb
        wandb.init(project="p")
        for step in range(1000):
            wandb.log({"loss": step})
        wandb.finish()  # wakes the collector, which has all steps to send at once
        input()
        """,
        LENSD_WANDB_FLUSH_INTERVAL="10",
    )
    server.wait_for(lambda: len(server.series("loss")) == 1000)
    process.communicate("\n", timeout=60)
    assert server.count == 1000


def test_what_the_server_refuses_for_good_is_told_and_let_go(training: Training, server: Server) -> None:
    server.answer = lambda number: 400
    _, errors = training.run("import wandb; wandb.init(project='p').log({'a': 1})")
    assert "1 log calls were lost" in errors
    assert "answered 400" in errors
    assert not training.spools


def test_a_spool_that_cannot_be_written_harms_nothing(training: Training, server: Server) -> None:
    server.stop()
    out, errors = training.run(
        "import wandb; wandb.init(project='p').log({'a': 1}); print('trained')", LENSD_SPOOL_DIR="/proc/spool"
    )
    assert out == "trained\n"
    assert "1 log calls were lost" in errors


def test_a_spool_stays_below_its_limit(training: Training, server: Server) -> None:
    server.stop()
    _, errors = training.run(
        """
        import wandb
        run = wandb.init(project="p")
        for step in range(2000):
            run.log({"loss": step})
        """,
        LENSD_WANDB_SPOOL_BYTES="30000",
    )
    assert "log calls were lost" in errors
    assert sum(path.stat().st_size for path in training.spools) <= 30_000


def test_memory_is_bounded_while_a_server_hangs(tmp_path: Path) -> None:
    """The sender waits for an answer and the collector goes on: what does not fit in memory is on disk."""
    settings = HookSettings("http://127.0.0.1:9/api/v1", "", "w", "", "", "", memory_values=100)
    identity = {"workload_uid": "w", "pod_uid": "", "pod_name": "", "run_id": "r"}
    spool = Spool(str(tmp_path), identity, 1 << 20)
    channel = Channel(identity, spool, 0, settings.memory_values)
    reporter = Reporter(settings)
    reporter.add(channel, str(tmp_path))
    most = 0
    for _ in range(1000):
        for _ in range(10):
            channel.observe({"loss": 1.0}, None, None)
        reporter._collect()
        most = max(most, channel.pending_values)
    assert most <= 110
    lines, _ = spool.read(1 << 30)
    assert len(lines) == 10_000
    assert channel.overflowed == 0
    spool.forget()


def test_a_queue_that_nobody_collects_is_bounded() -> None:
    identity = {"workload_uid": "w", "run_id": "r"}
    channel = Channel(identity, Spool("/nowhere", identity, 0), 0, 100)
    for _ in range(1000):
        channel.observe({"loss": 1.0, "lr": 2.0}, None, None)
    channel.collect()
    assert len(channel.pending) == 51
    assert channel.overflowed == 949
    assert channel.next_step == 1000


def test_a_fault_of_the_hook_never_reaches_training(training: Training, server: Server) -> None:
    out, errors = training.run("""
        import wandb
        from lensd_hook import channel, evidence
        def broken(*arguments):
            raise RuntimeError("a fault")
        evidence.detection_body = channel.numbers = broken
        run = wandb.init(project="p")
        run.log({"a": 1})
        run.finish()
        from lensd_hook.guard import faults
        print(faults)
    """)
    assert out == "{'_queue_detection': 1, '_observe': 1}\n"
    assert errors == ""


def test_errors_of_wandb_are_the_users_own(training: Training, server: Server) -> None:
    out, _ = training.run("""
        import wandb
        run = wandb.init(project="p")
        for wrong in (None, [1], {1: 2}):
            try:
                run.log(wrong)
            except (TypeError, ValueError) as error:
                print(type(error).__name__)
    """)
    assert out.split() == ["TypeError", "TypeError", "TypeError"]
    assert not server.points


def test_training_does_not_wait_for_the_server(training: Training, server: Server) -> None:
    """Ten thousand log calls while not one request is answered. A call that waits would never return."""
    server.hold = threading.Event()
    out, _ = training.run(
        """
        import time, wandb
        run = wandb.init(project="p")
        from lensd_hook.interception import _observe
        begun = time.thread_time()
        for step in range(10_000):
            _observe(run, {f"m{i}": i for i in range(20)}, step)
        print(time.thread_time() - begun)
        """,
        LENSD_WANDB_DRAIN_SECONDS="0",
        LENSD_WANDB_TIMEOUT="3600",
    )
    assert float(out) < 10, "a millisecond of processor time each, on the slowest machine"
    server.hold.set()
    assert training.flush().returncode == 0
    assert len(server.points) == 200_000


def test_only_the_file_of_a_dead_process_is_a_leftover(tmp_path: Path) -> None:
    identity = {"workload_uid": "w", "pod_uid": "", "pod_name": "", "run_id": "r"}
    spool = Spool(str(tmp_path), identity, 1 << 20)
    spool.append([b'{"step":0,"timestamp":1.0,"metrics":{}}\n'])
    assert open_leftover(spool.path) is None
    spool.forget()
    left = open_leftover(spool.path)
    assert left is not None
    assert open_leftover(spool.path) is None, "one flush at a time"
    left.close()
    (tmp_path / "other.lensd-spool").write_text("something else\n")
    assert open_leftover(str(tmp_path / "other.lensd-spool")) is None
    assert (tmp_path / "other.lensd-spool").exists()
    os.utime(spool.path, (time.time(), time.time()))
