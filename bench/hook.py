"""What the hook costs training: the same script with and without it, against servers
that answer, are slow, fail, or are not there.

    python bench/hook.py [STEPS]

The script logs 20 metrics a step to the real wandb, offline, and computes about 5 ms between steps. It times
its own loop; its end (finish and exit) is timed from outside. The cases take turns in three rounds. Shown are
the medians, their ratio to the case without a hook, and how many points the server had in the end (after
`lensd hook flush` where that is needed).
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

SCRIPT = """
import sys, time
import numpy as np
import wandb
steps = int(sys.argv[1])
run = wandb.init(project="bench")
a = np.random.default_rng(0).standard_normal((200, 200))
begun = time.perf_counter()
for step in range(steps):
    for _ in range(10):
        a = np.tanh(a @ a / 200)
    run.log({f"m{i}": float(a[i, 0]) for i in range(20)})
    if step in (steps // 2, steps * 4 // 5):
        print(step, flush=True)
print("loop", time.perf_counter() - begun, flush=True)
run.finish()
"""


class Server:
    """Takes points. status: of its answers. delay: seconds before each."""

    def __init__(self, status: int = 200, delay: float = 0.0, port: int = 0) -> None:
        self.points: set[tuple[str, str, int]] = set()
        self.status, self.delay, self.port = status, delay, port
        self.http: ThreadingHTTPServer | None = None
        self.start()

    def start(self) -> None:
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                time.sleep(owner.delay)
                if owner.status == 200:
                    for metric in body.get("metrics", ()):
                        owner.points.add((body["run_id"], metric["name"], metric["step"]))
                try:
                    self.send_response(owner.status)
                    self.send_header("Content-Length", "2")
                    self.end_headers()
                    self.wfile.write(b"{}")
                except OSError:  # it did not wait
                    self.close_connection = True

            def log_message(self, *arguments: object) -> None:
                """Nothing."""

        self.http = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self.http.daemon_threads = True
        self.port = self.http.server_port
        threading.Thread(target=self.http.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        if self.http is not None:
            self.http.shutdown()
            self.http.server_close()
            self.http = None


def train(case: str, steps: int) -> tuple[float, float, int, bool]:
    """Seconds of the loop, seconds of the end, points at the server, and whether a flush was needed."""
    status, delay = {"500": (500, 0.0), "slow": (200, 5.0)}.get(case, (200, 0.0))
    server = Server(status, delay)
    if case == "absent":
        server.stop()
    with tempfile.TemporaryDirectory() as folder:
        inject = Path(__file__).resolve().parents[1] / "lensd" / "hook" / "inject"
        environment = os.environ | {
            "WANDB_MODE": "offline", "WANDB_SILENT": "true", "WANDB_ERROR_REPORTING": "false",
            "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "LENSD_API_BASE_URL": f"http://127.0.0.1:{server.port}",
        }  # fmt: skip
        if case != "none":
            environment["PYTHONPATH"] = str(inject)
        process = subprocess.Popen(
            [sys.executable, "-c", SCRIPT, str(steps)], cwd=folder, env=environment,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        assert process.stdout is not None
        loop = 0.0
        for line in process.stdout:
            if case == "killed" and line.strip() == str(steps // 2):
                server.stop()
            elif case == "killed" and line.strip() == str(steps * 4 // 5):
                server.start()
            if line.startswith("loop"):
                loop = float(line.split()[1])
                break
        begun = time.perf_counter()
        process.wait()
        end = time.perf_counter() - begun
        process.stdout.close()
        left = any(Path(folder).rglob("*.lensd-spool"))
        server.status, server.delay = 200, 0.0
        server.stop()
        server.start()
        subprocess.run(
            [sys.executable, "-m", "lensd", "hook", "flush", "--url", f"http://127.0.0.1:{server.port}"],
            cwd=folder, check=False, capture_output=True,
        )  # fmt: skip
    server.stop()
    return loop, end, len(server.points), left


def start_of_python() -> tuple[float, float]:
    """Seconds that an empty Python takes, without and with the hook installed."""
    with tempfile.TemporaryDirectory() as folder:
        pythons = []
        for name in ("plain", "hooked"):
            subprocess.run([sys.executable, "-m", "venv", "--without-pip", f"{folder}/{name}"], check=True)
            pythons.append(f"{folder}/{name}/bin/python")
        subprocess.run(
            [sys.executable, "-m", "lensd", "hook", "install", "--python", pythons[1]],
            check=True,
            capture_output=True,
        )
        taken: list[list[float]] = [[], []]
        for _ in range(100):
            for python, times in zip(pythons, taken, strict=True):
                begun = time.perf_counter()
                subprocess.run([python, "-c", ""], check=True)
                times.append(time.perf_counter() - begun)
    return statistics.median(taken[0]), statistics.median(taken[1])


def main() -> None:
    steps = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    cases = ("none", "up", "absent", "500", "slow", "killed")
    taken: dict[str, list[tuple[float, float, int, bool]]] = {case: [] for case in cases}
    for _ in range(3):
        for case in cases:
            taken[case].append(train(case, steps))
    base = statistics.median(loop for loop, *_ in taken["none"])
    print(f"{'server':8} {'loop s':>8} {'ratio':>7} {'end s':>6}  points of {20 * steps}")
    for case in cases:
        loops, ends, points, flushed = zip(*taken[case], strict=True)
        loop, end = statistics.median(loops), statistics.median(ends)
        note = "after flush" if any(flushed) else ""
        print(f"{case:8} {loop:8.2f} {loop / base:7.3f} {end:6.2f}  {min(points)} {note}")
    plain, hooked = start_of_python()
    print(f"start of Python: {plain * 1000:.2f} ms, with the hook installed {hooked * 1000:.2f} ms")


if __name__ == "__main__":
    main()
