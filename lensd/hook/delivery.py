"""Posts bodies to the API, and says what to do next."""

from __future__ import annotations

import http.client
import json
import socket
import urllib.error
import urllib.request
from collections.abc import Iterable
from enum import Enum
from typing import Any
from urllib.parse import urlsplit

AGENT = "lensd-hook/1.0"


class Outcome(Enum):
    TAKEN = "taken"
    LATER = "later"  #: the server is away, or cannot take it now
    SMALLER = "smaller"  #: too large in one piece
    REFUSED = "refused"  #: this body will never be taken


class Delivery:
    """One server. `post` blocks for at most about `timeout` seconds; nothing is raised."""

    def __init__(self, base_url: str, token: str = "") -> None:
        self.base_url = base_url
        self._headers = {"Content-Type": "application/json", "User-Agent": AGENT}
        if token:
            self._headers["Authorization"] = f"Bearer {token}"
        host = urlsplit(base_url).hostname or ""
        local = host in ("localhost", "::1") or host.startswith("127.")
        handlers = [urllib.request.ProxyHandler({})] if local else []  # a proxy cannot reach this machine
        self._opener = urllib.request.build_opener(*handlers)

    def post(self, path: str, body: bytes, timeout: float) -> tuple[Outcome, str]:
        """The outcome, and a clause for people about it."""
        request = urllib.request.Request(self.base_url + path, body, self._headers, method="POST")
        try:
            with self._opener.open(request, timeout=timeout) as answer:
                answer.read(1 << 16)
                if answer.status == 200:
                    return Outcome.TAKEN, "taken"
                return Outcome.LATER, f"answered {answer.status}"
        except urllib.error.HTTPError as error:
            with error:
                said = error.read(500).decode("utf-8", "replace")
            why = f"answered {error.code}: {said}"
            if error.code == 413:
                return Outcome.SMALLER, why
            return (Outcome.REFUSED if error.code in (400, 422) else Outcome.LATER), why
        except (OSError, http.client.HTTPException, ValueError) as error:
            if isinstance(getattr(error, "reason", error), socket.timeout):
                return Outcome.LATER, f"did not answer within {timeout:.1f} s"
            return Outcome.LATER, f"cannot be reached: {error}"


def metrics_body(
    identity: dict[str, Any], rows: Iterable[tuple[int, float, dict[str, float]]], now: float
) -> bytes:
    """The body of `/wandb/metrics` for rows of (step, seconds, values) of one run.

    Put together from text, because this takes the interpreter from training: `json.dumps` of the same entries
    takes it three times as long.
    """
    entries: list[str] = []
    for step, seconds, values in rows:
        end = f',"step":{step},"timestamp":{seconds!r},"tags":{{}}}}'
        for name, value in values.items():
            begin = _begins.get(name)
            if begin is None:
                if len(_begins) >= _MOST_NAMES:
                    _begins.clear()
                begin = _begins[name] = f'{{"name":{json.dumps(name)},"value":'
            # NaN and the infinities as Python's JSON has them; every other float is its own JSON.
            shown = repr(value) if value - value == 0.0 else json.dumps(value)
            entries.append(begin + shown + end)
    head = {"source": "wandb"}
    for key in ("workload_uid", "pod_uid", "pod_name", "run_id"):
        head[key] = identity.get(key, "")
    text = f'{json.dumps(head)[:-1]},"metrics":[{",".join(entries)}],"timestamp":{now!r}}}'
    return text.encode("utf-8", "surrogatepass")


#: Names that were seen, with the beginning of their entries.
_begins: dict[str, str] = {}
_MOST_NAMES = 50_000


def parse_lines(
    lines: Iterable[bytes],
) -> tuple[list[dict[str, Any]], list[tuple[int, float, dict[str, float]]], int]:
    """Lines of a spool: detection bodies, rows, and how many lines were neither."""
    bodies: list[dict[str, Any]] = []
    rows: list[tuple[int, float, dict[str, float]]] = []
    bad = 0
    for line in lines:
        try:
            row = json.loads(line)
            if "detection" in row:
                bodies.append(row["detection"])
            else:
                rows.append((int(row["step"]), float(row["timestamp"]), dict(row["metrics"])))
        except (ValueError, TypeError, KeyError):
            bad += 1
    return bodies, rows, bad
