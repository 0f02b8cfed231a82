"""Logs of web servers that answer real requests, and what the clients print."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.log.precision.commands import output
from tests.log.precision.texts import Text

_REQUESTS = 1500
_PATHS = (
    "/",
    "/train?step=5&loss=0.5",
    "/api/epoch/3",
    "/missing",
    "/file.bin",
    "/loss.txt?acc=0.25&lr=1e-4",
)

_NGINX = """
daemon off; pid {d}/nginx.pid; error_log {d}/nginx-error.log info; worker_processes 1;
events {{ worker_connections 64; }}
http {{
  log_format timed '$remote_addr $request_time $status $body_bytes_sent rt=$request_time uct="$upstream_connect_time" $request';
  log_format json escape=json '{{"time":"$time_iso8601","status":$status,"bytes":$body_bytes_sent,"request_time":$request_time,"uri":"$uri"}}';
  access_log {d}/nginx-access.log combined; access_log {d}/nginx-timed.log timed; access_log {d}/nginx-json.log json;
  client_body_temp_path {d}; proxy_temp_path {d}; fastcgi_temp_path {d}; uwsgi_temp_path {d}; scgi_temp_path {d};
  server {{ listen 127.0.0.1:{port}; root {d}/www; autoindex on; }}
}}
"""
_APACHE = """
ServerRoot {d}
PidFile {d}/apache.pid
Listen 127.0.0.1:{port}
ServerName localhost
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule dir_module /usr/lib/apache2/modules/mod_dir.so
DocumentRoot {d}/www
ErrorLog {d}/apache-error.log
LogLevel trace4
LogFormat "%h %l %u %t \\"%r\\" %>s %b \\"%{{Referer}}i\\" \\"%{{User-agent}}i\\" %D" timed
CustomLog {d}/apache-access.log timed
"""


def servers(folder: Path) -> Iterator[Text]:
    """The logs of each server after some requests, and the reports of load generators."""
    site = folder / "www"
    site.mkdir()
    (site / "index.html").write_text("<p>epoch 3</p>")
    (site / "file.bin").write_bytes(os.urandom(1 << 16))
    (site / "loss.txt").write_text("step 1 loss 0.5")
    for name, command in _commands(folder):
        if shutil.which(command[0]) is None:
            continue
        port = _free_port()
        command = [part.replace("{port}", str(port)) for part in command]
        for template, target in ((_NGINX, "nginx.conf"), (_APACHE, "apache.conf")):
            (folder / target).write_text(template.format(d=folder, port=port))
        with _running(command, folder / f"{name}-output.log", port):
            _ask(port)
            for number, client in enumerate(_clients(port)):
                yield Text("web clients", f"{name}-{number}.log", output(client, folder))
    for path in sorted(folder.glob("*.log")):
        yield Text("web servers", path.name, path.read_bytes())


def _commands(folder: Path) -> Iterator[tuple[str, list[str]]]:
    yield (
        "python",
        [sys.executable, "-m", "http.server", "{port}", "--bind", "127.0.0.1", "-d", str(folder / "www")],
    )
    yield "aiohttp", [sys.executable, "-c", _AIOHTTP, "{port}"]
    yield "nginx", ["nginx", "-c", str(folder / "nginx.conf"), "-p", str(folder)]
    yield "apache", ["apache2", "-X", "-f", str(folder / "apache.conf")]
    yield "lighttpd", ["busybox", "httpd", "-f", "-vv", "-p", "127.0.0.1:{port}", "-h", str(folder / "www")]


_AIOHTTP = (
    "import logging, sys; from aiohttp import web; logging.basicConfig(level=logging.DEBUG);"
    "web.run_app(web.Application(), host='127.0.0.1', port=int(sys.argv[1]))"
)


def _clients(port: int) -> Iterator[str]:
    url = f"http://127.0.0.1:{port}/file.bin"
    yield f"ab -n 400 -c 4 {url}"
    yield f"ab -n 300 -c 4 -e /dev/stdout -g /dev/stdout {url}"
    yield f"siege -c 2 -r 20 -v {url}"
    yield f"wget -O /dev/null --progress=dot:binary {url}"
    yield f"wget -O /dev/null -d --progress=bar:force {url}"
    yield f"curl -v -o /dev/null {url}"
    yield f"for i in 1 2 3 4 5 6 7 8; do curl -o /dev/null -w '%{{http_code}} %{{time_total}} %{{speed_download}}\\n' {url}; done"


@contextmanager
def _running(command: list[str], log: Path, port: int) -> Iterator[None]:
    with log.open("wb") as file:
        process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT)
    try:
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait()


def _ask(port: int) -> None:
    for number in range(_REQUESTS):
        try:
            url = f"http://127.0.0.1:{port}{_PATHS[number % len(_PATHS)]}"
            with urllib.request.urlopen(url, timeout=5) as answer:
                answer.read()
        except (urllib.error.URLError, OSError):
            continue


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
