"""Posts bodies to the API and classifies the answers by what to do next."""

from __future__ import annotations

import http.client
import socket
import urllib.error
import urllib.request
from enum import Enum
from urllib.parse import urlsplit

AGENT = "lensd-hook/1.0"


class Outcome(Enum):
    ACCEPTED = "accepted"
    RETRY = "retry"  #: the server is away, or cannot accept the body now
    TOO_LARGE = "too large"  #: send it in smaller parts
    REJECTED = "rejected"  #: the server will never accept this body


class ApiClient:
    """A client of one server. `post` blocks for at most about `timeout` seconds and never raises."""

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
        """The outcome, and the reason as a clause whose subject is the server."""
        request = urllib.request.Request(self.base_url + path, body, self._headers, method="POST")
        try:
            with self._opener.open(request, timeout=timeout) as answer:
                answer.read(1 << 16)
                if answer.status == 200:
                    return Outcome.ACCEPTED, "accepted it"
                return Outcome.RETRY, f"answered {answer.status}"
        except urllib.error.HTTPError as error:
            with error:
                message = error.read(500).decode("utf-8", "replace")
            reason = f"answered {error.code}: {message}"
            if error.code == 413:
                return Outcome.TOO_LARGE, reason
            return (Outcome.REJECTED if error.code in (400, 422) else Outcome.RETRY), reason
        except (OSError, http.client.HTTPException, ValueError) as error:
            if isinstance(getattr(error, "reason", error), socket.timeout):
                return Outcome.RETRY, f"did not answer within {timeout:.1f} s"
            return Outcome.RETRY, f"cannot be reached: {error}"
