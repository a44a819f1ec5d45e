"""The proxies of docs/operation.md in front of the site: half-sent requests end at them, and headers are their own."""

import re
import shutil
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer

from arena.models import Board, Vote
from tests import builders
from tests.concurrency import wait_until
from tests.conftest import report_missing
from tests.plain_browser import Browser
from tests.processes import ROOT, Child, Children, child_environment, free_port, listens

EXAMPLES = ROOT / "docs" / "examples"
# More than the site has threads.
HALF_SENT = 16

StartProxy = Callable[[int], int]


def write_nginx(folder: Path, port: int, site: int) -> list[str]:
    """The command of nginx with the documented file, without TLS on this port."""
    server = (EXAMPLES / "nginx.conf").read_text()
    for written, here in [
        ("listen 443 ssl;", f"listen 127.0.0.1:{port};"),
        ("server 127.0.0.1:8000;", f"server 127.0.0.1:{site};"),
        ("server_name arena.example.org;", "server_name localhost;"),
    ]:
        assert server.count(written) == 1, written
        server = server.replace(written, here)
    server = re.sub(r"\n\s*ssl_certificate.*", "", server)
    paths = "".join(
        f"{name}_temp_path {folder}/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "nginx.conf").write_text(
        f"daemon off; pid {folder}/pid; error_log stderr; events {{}} http {{ access_log off; {paths}\n{server} }}"
    )
    return ["nginx", "-c", str(folder / "nginx.conf"), "-p", str(folder)]


def write_caddy(folder: Path, port: int, site: int) -> list[str]:
    """The command of Caddy with the documented file, without TLS on this port."""
    file = (EXAMPLES / "Caddyfile").read_text()
    for written, here in [
        ("arena.example.org {", f"http://127.0.0.1:{port}, http://localhost:{port} {{"),
        ("127.0.0.1:8000", f"127.0.0.1:{site}"),
        ("{\n\tservers {", "{\n\tadmin off\n\tauto_https off\n\tservers {"),
    ]:
        assert file.count(written) == 1, written
        file = file.replace(written, here)
    (folder / "Caddyfile").write_text(file)
    return ["caddy", "run", "--config", str(folder / "Caddyfile"), "--adapter", "caddyfile"]


@pytest.fixture(params=["nginx", "caddy"])
def start_proxy(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[StartProxy]:
    """Starts the proxy in front of a port, and returns its own."""
    if not shutil.which(request.param):
        report_missing(f"{request.param} is not installed")
    write = {"nginx": write_nginx, "caddy": write_caddy}[request.param]
    (folder := tmp_path / "proxy").mkdir()
    with ExitStack() as started:

        def start(site: int) -> int:
            port = free_port()
            environment = child_environment(HOME=str(folder), XDG_DATA_HOME=str(folder), XDG_CONFIG_HOME=str(folder))
            child = Child(write(folder, port, site), folder / "log", environment)
            started.callback(child.kill)

            def is_up() -> bool:
                assert child.process.poll() is None, child.log.read_text()[-2000:]
                return listens(port)

            wait_until(is_up, f"{request.param} listens")
            return port

        yield start


@contextmanager
def half_sent(port: int, path: str, n: int) -> Iterator[None]:
    """``n`` requests of which the headers and a part of the body have arrived."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        "Content-Length: 1000\r\n\r\nwinner="
    )
    with ExitStack() as opened:
        for _ in range(n):
            connection = opened.enter_context(socket.create_connection(("127.0.0.1", port)))
            connection.sendall(head.encode())
        yield


@pytest.mark.django_db(transaction=True)
def test_half_sent_requests_stop_no_vote(children: Children, start_proxy: StartProxy) -> None:
    board: Board = builders.make_board(drawn=True)
    site = children.start_site(child_environment(PARAGONE_BEHIND_PROXY="1"))
    port = start_proxy(site.port)
    browser = Browser(port)
    page = browser.get(f"/boards/{board.slug}/battle/")
    with half_sent(port, page.vote_path, HALF_SENT):
        assert browser.get("/healthz").status == 200
        assert browser.vote(page, "model_a").status in {200, 302, 303}
    assert Vote.objects.count() == 1


def test_the_address_and_the_scheme_of_a_client_are_those_that_the_proxy_sees(
    httpserver: HTTPServer, start_proxy: StartProxy
) -> None:
    httpserver.expect_request("/").respond_with_data("fine")
    forged = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https", "X-Request-ID": "forged"}
    port = start_proxy(httpserver.port)
    assert Browser(port)._send("GET", "/", None, forged).status == 200
    (request, _) = httpserver.log[0]
    assert request.headers["X-Forwarded-For"] == "127.0.0.1"
    assert request.headers["X-Forwarded-Proto"] == "http"
    assert request.headers["X-Request-ID"] not in {"", "forged"}
