"""What primus-lens-wandb-exporter 0.2.0 was measured to do wrong, each with a test that ours does not.

The real wandb, offline, in a process of its own; the hook comes the way `lensd run` brings it.
"""

from __future__ import annotations

import signal
import threading
from pathlib import Path

import pytest

from tests.hook.conftest import Server, Training

pytestmark = pytest.mark.slow  # each test starts training in processes of its own


def test_every_one_of_many_fast_log_calls_arrives(training: Training, server: Server) -> None:
    """The reference delivered 40 of 3,000."""
    training.run("""
        import wandb
        wandb.init(project="p")
        for step in range(3000):
            wandb.log({"loss": step / 2, "lr": 0.1}, step=step)
    """)
    assert server.series("loss") == {step: step / 2 for step in range(3000)}
    assert server.count == 6000, "and each once"


def test_slow_log_calls_arrive_while_training_goes_on(training: Training, server: Server) -> None:
    """The reference delivered 20 of 30, in one batch of ten every five seconds."""
    process = training.start("""
        import wandb
        wandb.init(project="p")
        for step in range(30):
            wandb.log({"loss": step}, step=step)
            if step == 15:
                print("half", flush=True)
                input()
    """)
    assert process.stdout is not None
    assert process.stdout.readline() == "half\n"
    server.wait_for(lambda: len(server.series("loss")) == 16)
    process.communicate("\n", timeout=30)
    assert list(server.series("loss")) == list(range(30))


def test_calls_without_a_step_count_as_wandb_counts(training: Training, server: Server) -> None:
    """The reference sent step 0 for each."""
    training.run("""
        import wandb
        run = wandb.init(project="p")
        wandb.log({"a": 0})                   # step 0
        wandb.log({"a": 1}, commit=False)     # step 1, stays open
        wandb.log({"b": 1})                   # still step 1
        wandb.log({"a": 2})                   # step 2
        wandb.log({"a": 10}, step=10)         # stays open
        wandb.log({"b": 10})                  # still step 10
        wandb.log({"a": 11})
        wandb.log({"a": -1}, step=5)          # wandb drops it, with a warning
        wandb.log({"a": 20}, step=20, commit=True)
        wandb.log({"a": 21})
        run.finish()
    """)
    assert server.series("a") == {0: 0, 1: 1, 2: 2, 10: 10, 11: 11, 20: 20, 21: 21}
    assert server.series("b") == {1: 1, 10: 10}


def test_run_log_is_seen(training: Training, server: Server) -> None:
    """Hugging Face, Lightning and accelerate call `run.log`; the reference saw `wandb.log` only."""
    training.run("""
        from wandb import init
        with init(project="p") as run:
            for _ in range(8):
                run.log({"loss": 1.0})
    """)
    assert list(server.series("loss")) == list(range(8))


def test_scalars_of_every_library_and_nested_values_arrive(training: Training, server: Server) -> None:
    """The reference dropped what is no plain int or float."""
    training.run("""
        import decimal, sys, types
        import numpy as np
        import wandb

        class Tensor:  # as torch: shape, item, and no float() of more than one element
            def __init__(self, *values): self.values, self.shape = values, (len(values),)
            def item(self): return self.values[0]

        run = wandb.init(project="p")
        log = run._log
        run.log({
            "python": 3, "flag": True, "half": np.float16(0.5), "single": np.float32(0.25),
            "long": np.int64(7), "bool": np.bool_(True), "zero_d": np.array(1.5), "one": np.array([[2.5]]),
            "big": 10**20, "opt": {"lr": 0.1, "inner": {"beta": np.float32(0.75)}}, "vector": np.arange(3),
            "text": "no", "nothing": None, "picture": wandb.Histogram([1, 2]), "a/b c": 1,
            "中文": 2, "_hidden": 1,
        })
        from lensd_hook.values import as_number
        assert as_number(Tensor(4.5)) == 4.5 and as_number(Tensor(1, 2)) is None
        assert as_number(decimal.Decimal("0.5")) == 0.5 and as_number(1 + 2j) is None
        assert as_number(10**400) is None
    """)
    assert {name: value for (_, name, _), value in server.points.items()} == {
        "python": 3, "flag": 1, "half": 0.5, "single": 0.25, "long": 7, "bool": 1, "zero_d": 1.5, "one": 2.5,
        "big": 1e20, "opt.lr": 0.1, "opt.inner.beta": 0.75, "a/b c": 1, "中文": 2,
    }  # fmt: skip


def test_nan_and_infinity_cost_nothing_else(training: Training, server: Server) -> None:
    """They are posted as Python writes them, and the rest of the batch with them."""
    training.run("""
        import wandb
        wandb.init(project="p")
        for step in range(5):
            wandb.log({"loss": float("nan") if step == 2 else step, "norm": float("inf")})
    """)
    assert len(server.series("loss")) == 5
    assert server.series("loss")[4] == 4
    assert set(server.series("norm").values()) == {float("inf")}


def test_a_server_that_answers_500_loses_nothing(training: Training, server: Server) -> None:
    """The reference lost what it had sent."""
    server.answer = lambda number: 500
    _, errors = training.run("""
        import wandb
        wandb.init(project="p")
        for step in range(9):
            wandb.log({"loss": step})
    """)
    assert "answered 500" in errors
    assert not server.points
    server.answer = lambda number: 200
    assert training.flush().returncode == 0
    assert list(server.series("loss")) == list(range(9))
    assert len(server.bodies("detection")) == 1
    assert not training.spools


def test_an_absent_server_loses_and_delays_nothing(training: Training, server: Server) -> None:
    server.stop()
    out, _ = training.run(f"""
        import socket, threading, wandb
        connect = socket.socket.connect
        def watched(self, address):
            main = threading.current_thread() is threading.main_thread()
            if main and address == ("127.0.0.1", {server.port}):
                print("training connects itself")
            return connect(self, address)
        socket.socket.connect = watched
        wandb.init(project="p")
        for step in range(2000):
            wandb.log({{"loss": step}})
    """)
    assert out == ""
    server.start()
    done = training.flush()
    assert done.stdout == f"2000 log calls of 1 spool files sent to {server.url}\n"
    assert server.series("loss") == {step: step for step in range(2000)}
    assert not training.spools
    assert training.flush().stdout.startswith("0 log calls of 0 spool files")


def test_a_server_that_hangs_delays_the_exit_no_longer_than_the_limit(
    training: Training, server: Server
) -> None:
    """The reference waited ten seconds. An exit that waits for the answer would never come."""
    server.hold = threading.Event()
    _, errors = training.run(
        """
        import wandb
        wandb.init(project="p")
        for step in range(100):
            wandb.log({"loss": step})
        wandb.finish()
        """,
        LENSD_WANDB_DRAIN_SECONDS="0.5",
        LENSD_WANDB_TIMEOUT="3600",
    )
    assert "did not answer" in errors
    assert list(server.series("loss")) == list(range(100)), "the server has it all, though it did not say so"
    server.hold.set()
    assert training.flush().returncode == 0, (
        "and what it did not confirm is sent again, which changes nothing"
    )
    assert list(server.series("loss")) == list(range(100))


def test_two_runs_in_one_process_are_kept_apart(training: Training, server: Server) -> None:
    """The reference merged them under the first id."""
    training.run("""
        import wandb
        for value in (1, 2):
            with wandb.init(project="p", id=f"run{value}") as run:
                for _ in range(3):
                    run.log({"loss": value})
        first = wandb.init(project="p", id="run3", reinit="create_new")
        second = wandb.init(project="p", id="run4", reinit="create_new")
        first.log({"loss": 3}); second.log({"loss": 4}); first.log({"loss": 3})
        first.finish(); second.finish()
    """)
    assert {(run, step): value for (run, _, step), value in server.points.items()} == {
        **{("run1", step): 1 for step in range(3)}, **{("run2", step): 2 for step in range(3)},
        ("run3", 0): 3, ("run3", 1): 3, ("run4", 0): 4,
    }  # fmt: skip
    assert sorted(body["run_id"] for body in server.bodies("detection")) == ["run1", "run2", "run3", "run4"]


ENDINGS = {
    "an exception": ("raise RuntimeError('boom')", 1),
    "sys.exit": ("import sys; sys.exit(3)", 3),
    "SIGTERM": (
        "import os, signal, time; os.kill(os.getpid(), signal.SIGTERM); time.sleep(30)",
        -signal.SIGTERM,
    ),
    "SIGINT": (
        # Python leaves SIGINT ignored where it was, as in the background of a shell.
        "import os, signal, time; signal.signal(signal.SIGINT, signal.default_int_handler);"
        " os.kill(os.getpid(), signal.SIGINT); time.sleep(30)",
        -signal.SIGINT,
    ),
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_what_was_logged_arrives_however_training_ends(
    ending: str, training: Training, server: Server
) -> None:
    """The reference sent nothing after SIGTERM. The exit code is what it would be without the hook."""
    how, code = ENDINGS[ending]
    training.run(
        f"""
        import wandb
        wandb.init(project="p")
        for step in range(100):
            wandb.log({{"loss": step}})
        {how}
        """,
        code,
        LENSD_WANDB_FLUSH_INTERVAL="10",
    )
    assert list(server.series("loss")) == list(range(100))


def test_a_handler_of_the_user_is_called_after_what_was_logged_is_safe(
    training: Training, server: Server
) -> None:
    out, _ = training.run(
        """
        import os, signal, time, wandb
        def stop(number, frame):
            print("saving", number, flush=True)
            os._exit(9)
        signal.signal(signal.SIGTERM, stop)
        wandb.init(project="p")
        wandb.log({"loss": 1})
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(30)
        """,
        9,
        LENSD_WANDB_FLUSH_INTERVAL="10",
    )
    assert out == "saving 15\n"
    assert server.series("loss") == {0: 1}


def test_sigterm_stays_ignored_where_it_was(training: Training) -> None:
    out, _ = training.run("""
        import signal
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        import wandb
        wandb.init(project="p")
        print(signal.getsignal(signal.SIGTERM) == signal.SIG_IGN)
    """)
    assert out == "True\n"


def test_a_fork_posts_nothing_twice_and_reports_for_itself(training: Training, server: Server) -> None:
    """The reference's child posted the parent's detection and metrics again."""
    training.run(
        """
        import multiprocessing, os, sys, wandb
        def work(run):
            run.log({"child": 1}, step=1)
        run = wandb.init(project="p")
        run.log({"parent": 0})
        child = os.fork()
        if child == 0:
            sys.exit(0)               # with atexit and all
        os.waitpid(child, 0)
        process = multiprocessing.get_context("fork").Process(target=work, args=(run,))
        process.start(); process.join()
        assert process.exitcode == 0
        run.log({"parent": 1})
        run.finish()
        """,
        LENSD_WANDB_FLUSH_INTERVAL="10",
    )
    assert server.count == 3
    assert server.series("parent") == {0: 0, 1: 1}
    assert server.series("child") == {1: 1}
    assert len(server.bodies("detection")) == 1


@pytest.mark.parametrize("broken", ["print('imported')", "raise RuntimeError('no GPU')"])
def test_frameworks_are_never_imported(
    broken: str, training: Training, server: Server, tmp_path: Path
) -> None:
    """The reference imported what was installed, reported it as used, and broke where an import raised."""
    for name in ("jax", "deepspeed", "megatron", "torch", "primus", "lightning"):
        (tmp_path / f"{name}.py").write_text(broken)
    out, err = training.run("""
        import sys, wandb
        wandb.init(project="p")
        print(sorted({"jax", "deepspeed", "megatron", "torch", "primus", "lightning"} & set(sys.modules)))
    """)
    assert (out, err) == ("[]\n", "")
    evidence = server.bodies("detection")[0]["evidence"]
    assert (evidence["base_frameworks"], evidence["wrapper_frameworks"]) == ({}, {})
    assert evidence["pytorch"] == {"available": False}


def test_frameworks_in_use_are_reported(training: Training, server: Server, tmp_path: Path) -> None:
    (tmp_path / "deepspeed.py").write_text("__version__ = '0.15.4'")
    (tmp_path / "primus.py").write_text("")
    training.run("import primus, deepspeed, wandb; wandb.init(project='p')")
    body = server.bodies("detection")[0]
    assert body["evidence"]["base_frameworks"]["deepspeed"]["version"] == "0.15.4"
    assert body["hints"]["possible_frameworks"] == ["primus", "deepspeed"]
    assert body["hints"]["confidence"] == "high"


def test_nothing_is_added_to_what_wandb_records(training: Training) -> None:
    """The reference added `_primus_lens_enabled` to every row of the user's history."""
    script = """
        import wandb
        with wandb.init(project="p", id="same", dir={folder!r}) as run:
            data = {{"loss": 1.0}}
            run.log(data)
            assert data == {{"loss": 1.0}}
            print(sorted(run.summary.keys()), sorted(run.config.keys()))
    """
    hooked, _ = training.run(script.format(folder="."))
    plain, _ = training.run(script.format(folder="."), LENSD_WANDB_HOOK="false")
    assert hooked == plain
    for path in training.folder.rglob("*.wandb"):
        assert b"lensd_" not in path.read_bytes()
        assert b"primus" not in path.read_bytes()


def test_resources_of_wandb_are_found_as_ever(training: Training) -> None:
    """The reference replaced the loader: `importlib.resources` and `pkgutil` found nothing."""
    out, _ = training.run("""
        import importlib.resources, pkgutil, sys, wandb
        print("__init__.py" in [file.name for file in importlib.resources.files("wandb").iterdir()])
        print(bool(pkgutil.get_data("wandb", "__init__.py")))
        print(type(wandb.__spec__.loader).__name__, vars(wandb.__spec__.loader).get("exec_module"))
        print([finder for finder in sys.meta_path if "Wandb" in type(finder).__name__])
    """)
    assert out.splitlines() == ["True", "True", "SourceFileLoader None", "[]"]


def test_secrets_in_the_configuration_are_masked(training: Training, server: Server) -> None:
    """The reference posted the configuration as it was."""
    training.run("""
        import wandb
        wandb.init(project="p", config={
            "lr": 0.1, "api_key": "abc", "hub": {"hf_token": "x", "user": "me"}, "awsSecretAccessKey": "y",
            "max_tokens": 4096, "pad_token": "<pad>", "db": "postgres://me:pw@host/db", "author": "me",
            "note": "hf_" + "a" * 30, "tokenizer": "gpt2", "password": "p", "url": "https://example.org/x",
        })
    """)
    config = server.bodies("detection")[0]["evidence"]["wandb"]["config"]
    assert config == {
        "lr": 0.1, "api_key": "***", "hub": {"hf_token": "***", "user": "me"}, "awsSecretAccessKey": "***",
        "max_tokens": 4096, "pad_token": "<pad>", "db": "postgres://***@host/db", "note": "***",
        "tokenizer": "gpt2", "password": "***", "author": "me", "url": "https://example.org/x",
    }  # fmt: skip
