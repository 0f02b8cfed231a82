"""Data sets as people keep them beside their code, made from random numbers."""

from __future__ import annotations

import csv
import io
import json
import math
import random
from collections.abc import Callable, Iterable, Iterator

from tests.log.precision.texts import Text

ROWS = 300
RANDOM = random.Random(11)
WORDS = {
    "English": "the train lost its step at an early epoch of that batch and no one kept the score or knew the rate",
    "German": "der Zug verlor im Schritt der Epoche seinen Wert und niemand kannte den Verlust oder die Genauigkeit",
    "French": "le train perdit une étape de cette époque et personne ne connut la perte ni la précision du modèle",
    "Spanish": "el tren perdió un paso de aquella época y nadie conocía la pérdida ni la precisión del modelo",
    "Chinese": "第一 轮 列车 失去 了 步 和 准确率 没有 人 知道 损失 是 多少 于是 他们 回家 了",
    "Russian": "поезд потерял шаг в ту эпоху и никто не знал потерь или точности той модели в тот день",
}

Value = str | int | float
Record = dict[str, Value]


def number(low: float = 0, high: float = 1, digits: int = 4) -> float:
    return round(RANDOM.uniform(low, high), digits)


def whole(low: int, high: int) -> int:
    return RANDOM.randint(low, high)


def sentence(language: str = "English", count: int = 12) -> str:
    return " ".join(RANDOM.choices(WORDS[language].split(), k=count)).capitalize() + "."


def stamp(second: int) -> str:
    return (
        f"2024-01-{1 + second // 86400:02}T{second // 3600 % 24:02}:{second // 60 % 60:02}:{second % 60:02}Z"
    )


#: What one row of each data set holds; n counts the rows.
RECORDS: dict[str, Callable[[int], Record]] = {
    "reviews": lambda n: {"id": n, "text": sentence(), "score": number()},
    "graded": lambda n: {"id": n, "question": sentence(), "answer": sentence(), "accuracy": number(), "f1": number()},
    "rollouts": lambda n: {"step": n // 64, "prompt": sentence(), "response": sentence(), "reward": number()},
    "preferences": lambda n: {"prompt": sentence(), "chosen": sentence(), "rejected": sentence(), "margin": number()},
    "embeddings": lambda n: {"id": n, **{f"v{i}": number(-1, 1) for i in range(16)}},
    "sensors": lambda n: {"time": stamp(n), "temperature": number(15, 25), "humidity": number(0, 100), "error": 0},
    "machines": lambda n: {"cycle": n, "sensor": whole(1, 5), "speed": number(900, 1100), "torque": number(0, 90)},
    "payments": lambda n: {"step": n // 50 + 1, "type": "PAYMENT", "amount": number(0, 9999), "isFraud": whole(0, 1)},
    "students": lambda n: {"student": n, "school": "GP", "age": whole(15, 22), "failures": whole(0, 3), "G3": whole(0, 20)},
    "houses": lambda n: {"Id": n, "LotArea": whole(1000, 9000), "Street": "Pave", "SalePrice": whole(10**5, 10**6)},
    "iris": lambda n: {"sepal_length": number(4, 8, 1), "sepal_width": number(2, 4, 1), "species": "setosa"},
    "ratings": lambda n: {"userId": n // 20, "movieId": whole(1, 9999), "rating": whole(1, 5), "timestamp": 10**9 + n},
    "clicks": lambda n: {"ts": 1.7e9 + n, "user": whole(1, 999), "score": number(), "item_rank": whole(1, 10)},
    "stocks": lambda n: {"Date": stamp(n * 60)[:10], "Open": number(9, 99), "Close": number(9, 99), "Return": number(-1, 1)},
    "genes": lambda n: {"gene": f"G{n}", "log2fc": number(-3, 3), "pvalue": number(), "error": number()},
    "boxes": lambda n: {"image": f"{n:06}.jpg", "x": number(), "y": number(), "confidence": number(), "iou": number()},
    "models": lambda n: {"model": f"net-{n}", "params": whole(10**6, 10**9), "top1": number(60, 90), "epochs": 300},
    "matches": lambda n: {"round": n // 10 + 1, "home": "A", "away": "B", "score": whole(0, 5), "attendance": whole(0, 9999)},
    "particles": lambda n: {"event": n, "energy": number(0, 90), "eta": number(-3, 3), "phi": number(-3, 3)},
    "texts": lambda n: {"label": whole(0, 4), "sentence": sentence(), "length": whole(4, 90)},
    "drives": lambda n: {"frame": n, "speed": number(0, 30), "steering_error": number(-1, 1), "file": f"{n:05}.png"},
    "queries": lambda n: {"qid": n // 10, "docid": f"d{n}", "rank": n % 10 + 1, "score": number(0, 30)},
    "units": lambda n: {"batch": whole(1, 40), "product": f"p{n}", "precision": number(), "defects": whole(0, 5)},
    "weather": lambda n: {"station": "A1", "hour": n % 24, "rain": number(0, 9, 1), "wind_speed": number(0, 30, 1)},
}  # fmt: skip


def delimited(rows: list[Record], delimiter: str, *, header: bool = True, comma: bool = False) -> str:
    file = io.StringIO()
    writer = csv.writer(file, delimiter=delimiter, lineterminator="\n")
    if header:
        writer.writerow(rows[0])
    for row in rows:
        writer.writerow(
            [str(v).replace(".", ",") if comma and isinstance(v, float) else v for v in row.values()]
        )
    return file.getvalue()


def lines(rows: Iterable[object]) -> str:
    return "".join(f"{json.dumps(row)}\n" for row in rows)


#: File name and the text that some rows make.
FORMS: dict[str, Callable[[list[Record]], str]] = {
    "data.csv": lambda rows: delimited(rows, ","),
    "data.tsv": lambda rows: delimited(rows, "\t"),
    "semicolons.csv": lambda rows: delimited(rows, ";", comma=True),
    "plain.csv": lambda rows: delimited(rows, ",", header=False),
    "data.jsonl": lines,
    "data.json": lambda rows: json.dumps(rows, indent=2),
    "dicts.txt": lambda rows: "".join(f"{row}\n" for row in rows),
    "logfmt.txt": lambda rows: "".join(" ".join(f"{k}={v!r}" for k, v in row.items()) + "\n" for row in rows),
    "pairs.txt": lambda rows: "".join(", ".join(f"{k}: {v}" for k, v in row.items()) + "\n" for row in rows),
    "records.yaml.txt": lambda rows: "".join(
        "- " + "\n  ".join(f"{k}: {v}" for k, v in row.items()) + "\n" for row in rows
    ),
    "insert.sql.txt": lambda rows: "".join(
        f"INSERT INTO t ({', '.join(row)}) VALUES ({', '.join(map(repr, row.values()))});\n" for row in rows
    ),
}  # fmt: skip


def _clock(second: float) -> str:
    return f"{int(second) // 3600:02}:{int(second) // 60 % 60:02}:{int(second) % 60:02},{int(second * 1000) % 1000:03}"


OTHERS: dict[str, tuple[str, Callable[[], str]]] = {
    "libsvm": ("a9a.txt", lambda: "".join(
        f"{whole(0, 1) * 2 - 1:+} " + " ".join(f"{i * 3 + 1}:{number()}" for i in range(9)) + "\n" for _ in range(ROWS))),
    "Vowpal Wabbit": ("train.vw.txt", lambda: "".join(
        f"{whole(0, 1)} 1.0 |step loss:{number()} acc:{number()} |b x y\n" for _ in range(ROWS))),
    "COCO": ("instances.json", lambda: json.dumps({"images": [{"id": n, "file_name": f"{n}.jpg"} for n in range(500)],
        "annotations": [{"id": n, "bbox": [1.5, 2.5, 3, 4], "score": number(), "area": number()} for n in range(2000)]})),
    "SQuAD": ("dev-v2.json", lambda: json.dumps({"version": "v2", "data": [{"title": sentence(), "paragraphs": [
        {"context": sentence(count=80), "qas": [{"id": str(n), "question": sentence()}]}]} for n in range(200)]})),
    "subtitles": ("film.txt", lambda: "".join(
        f"{n}\n{_clock(n * 3)} --> {_clock(n * 3 + 2.5)}\n{sentence()}\n\n" for n in range(1, ROWS))),
    "point clouds": ("cloud.txt", lambda: "# .PCD v0.7\nFIELDS x y z intensity\nPOINTS 2000\nDATA ascii\n" + "".join(
        f"{number(-9, 9)} {number(-9, 9)} {number(-9, 9)} {number()}\n" for _ in range(ROWS))),
    "meshes": ("bunny.txt", lambda: "".join(f"v {number()} {number()} {number()}\n" for _ in range(ROWS)) + "".join(
        f"f {whole(1, ROWS)} {whole(1, ROWS)} {whole(1, ROWS)}\n" for _ in range(ROWS))),
    "trajectories": ("poses.txt", lambda: "# timestamp tx ty tz qx qy qz qw\n" + "".join(
        f"{1.3e9 + n / 30:.4f} " + " ".join(str(number(-1, 1)) for _ in range(7)) + "\n" for n in range(ROWS))),
    "molecules": ("dynamics.xyz.txt", lambda: "".join(
        f"3\nStep {n} energy -76.{whole(0, 9999)}\nO {number()} 0 0\nH 0 {number()} 0\nH 0 0 {number()}\n" for n in range(1))
        + "".join(f"ATOM {n:>6}  CA  ALA A{n:>4}    {number():8.3f}{number():8.3f}{number():8.3f}\n" for n in range(ROWS))),
    "signals": ("wave.txt", lambda: "".join(f"{n / 1000:.3f}\t{math.sin(n / 20):.6f}\n" for n in range(ROWS))),
    "word counts": ("counts.txt", lambda: "".join(f"{w}{n} {whole(1, 9999)}\n" for n in range(300) for w in ("loss", "a", "step"))),
    "vectors of words": ("glove.txt", lambda: "".join(
        f"loss{n} " + " ".join(f"{number(-1, 1)}" for _ in range(20)) + "\n" for n in range(ROWS))),
    "edges": ("graph.txt", lambda: "# FromNodeId ToNodeId\n" + "".join(f"{whole(1, 999)}\t{whole(1, 999)}\n" for _ in range(ROWS))),
    "CoNLL": ("train.conll.txt", lambda: "".join(
        f"{n % 9 + 1}\t{w}\t{w}\tNOUN\t_\t{n % 7}\tnsubj\n" + ("\n" if n % 9 == 8 else "")
        for n, w in enumerate(RANDOM.choices(WORDS["English"].split(), k=ROWS)))),
    "FASTA": ("reads.txt", lambda: "".join(f">read_{n} length=60 score={number()}\n{''.join(RANDOM.choices('ACGT', k=60))}\n" for n in range(ROWS))),
    "chess games": ("games.txt", lambda: "".join(
        f'[Event "Round {n}"]\n[WhiteElo "{whole(1000, 2800)}"]\n\n1. e4 e5 2. Nf3 Nc6 3. Bb5 a6 1-0\n\n' for n in range(300))),
    "configurations": ("sweep.txt", lambda: "".join(
        f"--lr {number()} --epochs {whole(1, 90)} --batch-size {whole(1, 512)} --loss l{n} --steps 100\n" for n in range(200))),
    "settings": ("config.txt", lambda: "".join(
        f"{name}: {value}\n" for name, value in {"lr": 3e-4, "epochs": 90, "batch_size": 512, "loss": "ce", "step": 30,
        "warmup_steps": 100, "loss_weight": 0.5, "label_smoothing": 0.1, "betas": (0.9, 0.95), "save_steps": 500}.items())),
    "build progress": ("docker.log", lambda: "".join(
        f"#{n % 12 + 5} [{n % 12 + 1}/12] RUN pip install x{n}\n#{n % 12 + 5} {n / 10:.1f} Collecting x{n}\n#{n % 12 + 5} DONE {number(0, 9, 1)}s\n"
        for n in range(300))),
    "image layers": ("pull.log", lambda: "".join(
        f"{whole(10**8, 10**9):x}: Downloading [{'=' * (n % 50)}>  ]  {n % 50}.2MB/50MB\r" for n in range(ROWS)) + "\n"),
    "Kubernetes events": ("events.log", lambda: "".join(
        f"{stamp(n)} Warning BackOff pod/train-{n % 5} Back-off restarting failed container (x{n} over {n}m)\n" for n in range(ROWS))),
    "databases": ("postgres.log", lambda: "".join(
        f"2024-01-01 00:{n // 60 % 60:02}:{n % 60:02}.123 UTC [{4000 + n}] LOG:  checkpoint complete: wrote {whole(1, 900)} buffers"
        f" ({number(0, 9, 1)}%); 0 WAL file(s) added; write={number(0, 9, 3)} s, sync={number(0, 1, 3)} s, total={number(0, 9, 3)} s\n"
        for n in range(ROWS))),
    "game servers": ("latest.log", lambda: "".join(
        f"[{n // 3600:02}:{n // 60 % 60:02}:{n % 60:02}] [Server thread/INFO]: Player{n % 9} lost {whole(1, 20)} health; score {whole(0, 999)}, tick {n * 20}\n"
        for n in range(ROWS))),
    "games": ("game.log", lambda: "".join(
        f"Round {n}: player scored {whole(0, 100)} points, total {n * 50}\n" for n in range(300))),
    "stress tests": ("locust.log", lambda: "".join(
        f"[{stamp(n)}] INFO/locust.stats: GET /train   {n * 10} {n % 3}({n % 3 / 100:.2f}%) | {whole(1, 9)} {whole(1, 9)} {whole(9, 99)} {whole(1, 9)} | {number(0, 90, 2)} 0.00\n"
        for n in range(ROWS))),
    "hardware": ("nvidia.log", lambda: "".join(
        f"| 0  NVIDIA A100   On  | 00000000:07:00.0 Off | {whole(0, 9)} |\n| N/A  {whole(30, 70)}C  P0  {whole(60, 300)}W / 400W | {whole(0, 80000)}MiB / 81920MiB | {whole(0, 100)}%  Default |\n"
        for n in range(400))),
    "monitors": ("gpu.csv", lambda: "timestamp, name, utilization.gpu [%], memory.used [MiB], temperature.gpu\n" + "".join(
        f"{stamp(n)}, NVIDIA A100, {whole(0, 100)} %, {whole(0, 80000)} MiB, {whole(30, 80)}\n" for n in range(ROWS))),
    "robots": ("rosout.log", lambda: "".join(
        f"[INFO] [{1.7e9 + n / 10:.9f}] [controller]: cycle {n}: position error {number(-1, 1)} rad, velocity {number(-1, 1)}\n" for n in range(ROWS))),
    "applications": ("app.log", lambda: "".join(
        f"{stamp(n)} INFO request {n} took {number(0, 900, 1)} ms, status 200, {whole(1, 9999)} bytes, cache hit rate {number(0, 100, 1)}%\n" for n in range(ROWS))),
    "application JSON": ("app.json.log", lambda: lines(
        {"time": stamp(n), "level": "info", "msg": "request", "status": 200, "duration_ms": number(0, 900), "attempt": whole(1, 3)} for n in range(ROWS))),
    "batch jobs": ("etl.log", lambda: "".join(
        f"{stamp(n)} INFO batch {n}/2000 inserted {whole(1, 999)} rows in {number(0, 9, 2)} s ({number(1, 999, 1)} rows/s)\n" for n in range(ROWS))),
    "downloads": ("wget.log", lambda: "".join(
        f"{n * 50:>8}K .......... .......... .......... .......... .......... {n % 100:>3}% {number(1, 99, 1)}M {whole(0, 59)}s\n" for n in range(ROWS))),
    "apt": ("apt.log", lambda: "".join(
        f"Get:{n} http://deb.debian.org/debian bookworm/main amd64 lib{n} amd64 1.{n}-1 [{whole(1, 999)} kB]\nProgress: [{n % 101:>3}%]\n" for n in range(1, 600))),
    "conda": ("conda.log", lambda: "".join(
        f"numpy-1.{n % 30}  | {number(1, 9, 1)} MB | {'#' * (n % 40)} | {n % 101}%\n" for n in range(600))),
    "backups": ("restic.log", lambda: "".join(
        f"[{n // 60}:{n % 60:02}] {n % 100}.25%  {n} files {number(1, 99, 3)} GiB, total {ROWS} files 99.5 GiB, 0 errors ETA 1:02\n" for n in range(ROWS))),
    "video encoders": ("handbrake.log", lambda: "".join(
        f"Encoding: task 1 of 1, {n / 20:.2f} % ({number(20, 90, 2)} fps, avg {number(20, 90, 2)} fps, ETA 00h01m02s)\r" for n in range(ROWS)) + "\n"),
    "timings of a compiler": ("gradle.log", lambda: "".join(
        f"> Task :module{n}:compileJava UP-TO-DATE\n<{'=' * (n % 13)}{'-' * (13 - n % 13)}> {n % 100}% EXECUTING [{n}s]\n" for n in range(600))),
    "scanners": ("scan.log", lambda: "".join(
        f"Stats: 0:{n // 60:02}:{n % 60:02} elapsed; {n} hosts completed, 64 undergoing SYN Stealth Scan\nSYN scan Timing: About {n / 20:.2f}% done\n" for n in range(600))),
    "numerical solvers": ("cfd.log", lambda: "".join(
        f"Time = {n}\n\nsmoothSolver:  Solving for Ux, Initial residual = {number()}, Final residual = {number()}, No Iterations {whole(1, 9)}\n"
        f"ExecutionTime = {n / 10} s  ClockTime = {n // 10} s\n\n" for n in range(1, 500))),
}  # fmt: skip


def data_sets() -> Iterator[Text]:
    for name, make in RECORDS.items():
        rows = [make(n) for n in range(ROWS)]
        for form, write in FORMS.items():
            yield Text(f"data sets, {form}", form, f"{write(rows)}".encode())
        yield Text("data sets in logs", f"{name}.log", lines(rows[:500]).encode())
    for language in WORDS:
        paragraphs = (" ".join(sentence(language, whole(5, 25)) for _ in range(4)) for _ in range(300))
        yield Text("made prose", f"{language}.txt", "\n\n".join(paragraphs).encode())
    for kind, (name, text) in OTHERS.items():
        yield Text(kind, name, text().encode())
