"""The site's web server: a dead worker is replaced, and no worker outlives the main process."""

import os
import shlex
import signal
from pathlib import Path

import pytest

from arena.web_server import APPLICATION, OPTIONS
from tests.concurrency import wait_until
from tests.processes import ROOT, Children, Site, listens

pytestmark = pytest.mark.django_db(transaction=True)


def list_workers(site: Site) -> list[int]:
    main = site.child.process.pid
    return [int(pid) for pid in Path(f"/proc/{main}/task/{main}/children").read_text().split()]


def answers(site: Site) -> bool:
    try:
        return site.browser().get("/healthz").status == 200
    except OSError:
        return False


def test_a_dead_worker_is_replaced(children: Children) -> None:
    site = children.start_site()
    (worker,) = list_workers(site)
    os.kill(worker, signal.SIGKILL)
    wait_until(lambda: list_workers(site) not in ([], [worker]), "another worker runs")
    wait_until(lambda: answers(site), "the site answers again")


def test_no_worker_outlives_the_main_process(children: Children) -> None:
    site = children.start_site()
    (worker,) = list_workers(site)
    os.kill(site.child.process.pid, signal.SIGKILL)
    site.child.process.wait()
    wait_until(lambda: not Path(f"/proc/{worker}").exists(), "the worker is gone")
    assert not listens(site.port)
    site.start_again()
    assert answers(site)


@pytest.mark.parametrize("file", ["README.md", "docs/operation.md"])
def test_the_documented_command_has_the_options_of_the_tested_one(file: str) -> None:
    (line,) = [line for line in (ROOT / file).read_text().splitlines() if line.startswith("granian --")]
    written = shlex.split(line, comments=True)
    assert written[-1] == APPLICATION
    assert " ".join(OPTIONS) in " ".join(written)
