"""Where the daemon listens and who is let in: refusals at the start, tokens from files, HTTPS, hang-ups."""

from __future__ import annotations

import json
import os
import signal
import ssl
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.conftest import DATA, Daemon, StartDaemon

pytestmark = pytest.mark.slow  # each starts daemons

TLS = DATA / "tls"
CLIENT = sorted((DATA / "primus-capture" / "a_step_30").glob("*.json"))


def refusal(folder: Path, *arguments: str, **environment: str) -> str:
    """What `lensd serve` says that does not start."""
    command = ["serve", "--port", "0", "--db", str(folder / "x.db"), *arguments, str(folder)]
    done = subprocess.run(
        [sys.executable, "-m", "lensd", *command],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=os.environ | environment,
    )
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert len(done.stderr.splitlines()) == 1
    return done.stderr


def ask(url: str, **headers: str) -> int:
    request = urllib.request.Request(url, headers={k.replace("_", "-"): v for k, v in headers.items()})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_who_listens_for_everybody_needs_a_token(tmp_path: Path, host: str) -> None:
    assert "set LENSD_TOKEN, or add --insecure" in refusal(tmp_path, "--host", host)


@pytest.mark.slow
@pytest.mark.parametrize("token", ["", " \n", "two\nlines"])
@pytest.mark.parametrize("name", ["LENSD_TOKEN", "LENSD_READ_TOKEN", "LENSD_PUSH_TOKEN"])
def test_a_token_that_is_none_is_refused(tmp_path: Path, name: str, token: str) -> None:
    assert name in refusal(tmp_path, **{name: token})
    file = tmp_path / "token"
    file.write_text(token)
    assert f"{name}_FILE={file} " in refusal(tmp_path, **{f"{name}_FILE": str(file)})


@pytest.mark.slow
def test_a_token_is_named_once_and_its_file_can_be_read(tmp_path: Path) -> None:
    missing = str(tmp_path / "none")
    assert "cannot be read" in refusal(tmp_path, LENSD_TOKEN_FILE=missing)
    assert "set one of them" in refusal(tmp_path, LENSD_TOKEN_FILE=missing, LENSD_TOKEN="t")
    config = tmp_path / "lensd.toml"
    config.write_text("token = ' '")
    assert "token is blank" in refusal(tmp_path, "--config", str(config))


def test_a_file_holds_a_token_and_the_end_of_its_line(serve: StartDaemon, tmp_path: Path) -> None:
    for name in ("all", "read", "push"):
        (tmp_path / name).write_text(f" {name}-secret\r\n")
    daemon = serve(
        "--host", "0.0.0.0", str(tmp_path), "--db", str(tmp_path / "x.db"),
        env=os.environ | {
            "LENSD_TOKEN_FILE": str(tmp_path / "all"),
            "LENSD_READ_TOKEN_FILE": str(tmp_path / "read"),
            "LENSD_PUSH_TOKEN_FILE": str(tmp_path / "push"),
        },
    )  # fmt: skip
    statuses = [
        ask(f"{daemon.base}/api/runs", Authorization=f"Bearer {token}")
        for token in ("all-secret", "read-secret", "push-secret", "")
    ]
    assert statuses == [200, 200, 403, 401]
    assert not [line for line in daemon.lines if "secret" in line]


def pushed(daemon: Daemon, host: str) -> list[int]:
    """Send what the reference client sent, with another Host; the statuses."""
    statuses = []
    for path in CLIENT:
        sent = json.loads(path.read_text())
        headers = sent["headers"] | {"Host": host}
        del headers["Content-Length"]
        request = urllib.request.Request(
            daemon.base + sent["path"], json.dumps(sent["body"]).encode(), headers, method=sent["method"]
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                statuses.append(answer.status)
        except urllib.error.HTTPError as error:
            with error:
                statuses.append(error.code)
    return statuses


def test_training_pods_push_to_a_service_without_a_token(serve: StartDaemon, tmp_path: Path) -> None:
    """The reference client has no setting for a token, and calls the daemon by the name of its service."""
    config = tmp_path / "lensd.toml"
    config.write_text("hosts = ['primus-lens-telemetry-processor', 'telemetry-processor']\ninsecure = true\n")
    daemon = serve(
        "--host", "0.0.0.0", "--config", str(config), str(tmp_path), "--db", str(tmp_path / "x.db")
    )
    assert any("open to everybody" in line for line in daemon.lines)
    assert len(CLIENT) > 1
    assert set(pushed(daemon, "primus-lens-telemetry-processor:8080")) == {200}
    detection = f"{daemon.base}/api/v1/workloads/my-workload-123/framework-detection"
    assert ask(detection, Host="telemetry-processor:8080") == 200
    assert set(pushed(daemon, "elsewhere.example:8080")) == {421}
    # A kubelet asks by the address of the pod, or by whatever its probe names.
    for host in ("10.244.0.17:8080", "anything.example"):
        assert [
            ask(daemon.base + path, Host=host, User_Agent="kube-probe/1.31")
            for path in ("/healthz", "/readyz")
        ] == [200, 200]


def test_https_with_a_certificate_that_is_renewed(serve: StartDaemon, tmp_path: Path) -> None:
    cert = tmp_path / "cert.pem"
    cert.write_bytes((TLS / "cert.pem").read_bytes())
    arguments = ("--tls-cert", str(cert), "--tls-key", str(TLS / "key.pem"))
    daemon = serve(*arguments, str(tmp_path), "--db", str(tmp_path / "x.db"))
    assert daemon.base.startswith("https://127.0.0.1:")
    trusting = ssl.create_default_context(cafile=TLS / "cert.pem")
    with urllib.request.urlopen(f"{daemon.base}/api/runs", timeout=30, context=trusting) as answer:
        assert json.load(answer) == []
    cert.write_text("no certificate")
    daemon.process.send_signal(signal.SIGHUP)
    daemon.wait_for_line("cannot be used")
    cert.write_bytes((TLS / "cert.pem").read_bytes())
    daemon.process.send_signal(signal.SIGHUP)
    daemon.wait_for_line("the certificate was read anew")
    with urllib.request.urlopen(f"{daemon.base}/healthz", timeout=30, context=trusting) as answer:
        assert answer.status == 200
    assert daemon.stop() == 0


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--tls-key", "k"), "tls_key needs tls_cert"),
        (("--tls-cert", "/nowhere/cert.pem"), "/nowhere/cert.pem cannot be used: No such file"),
        (("--tls-cert", str(TLS / "key.pem")), "key.pem cannot be used"),
    ],
)
@pytest.mark.slow
def test_a_certificate_that_cannot_be_used_is_named(
    tmp_path: Path, arguments: tuple[str, ...], sentence: str
) -> None:
    assert sentence in refusal(tmp_path, *arguments)


def test_a_hang_up_is_not_the_end(serve: StartDaemon, tmp_path: Path) -> None:
    daemon = serve(str(tmp_path), "--db", str(tmp_path / "x.db"))
    daemon.process.send_signal(signal.SIGHUP)
    daemon.wait_for_line("SIGHUP is ignored")
    assert daemon.get("/healthz") == {"status": "ok"}
    assert daemon.stop() == 0
