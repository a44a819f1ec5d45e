"""Benchmark of a running site: battle pages and votes per second.

    python benchmarks/battles.py http://127.0.0.1:8000 demo --raters 8 --seconds 10

Each simulated rater is a process with cookies and one persistent connection. It opens a battle page, submits its form,
and opens the next page, without images and without pauses. Client and site share the machine's cores, so the figures
are a lower bound. The votes are stored: run it on a board that you can delete, of a site that was started without the
limits of docs/limits.md (each of these settings at 0), or nearly all requests are refused.
"""

import argparse
import http.client
import http.cookies
import multiprocessing
import re
import statistics
import time
from urllib.parse import urlencode, urlsplit

TOKEN = re.compile(rb'name="csrfmiddlewaretoken" value="([^"]+)"')
ACTION = re.compile(rb'<form class="vote" method="post" action="([^"]+)"')
ANSWERS = ("model_a", "model_b", "tie", "both_bad")


class Rater:
    """One persistent connection with its cookies."""

    def __init__(self, site: str) -> None:
        self.address = urlsplit(site)
        self.connection = http.client.HTTPConnection(self.address.hostname or "", self.address.port, timeout=30)
        self.cookies: dict[str, str] = {}

    def send(self, method: str, path: str, body: str = "") -> tuple[int, bytes]:
        headers = {"Cookie": "; ".join(f"{k}={v}" for k, v in self.cookies.items()), "Host": self.address.netloc}
        if body:
            headers |= {"Content-Type": "application/x-www-form-urlencoded", "Origin": f"http://{self.address.netloc}"}
        self.connection.request(method, path, body or None, headers)
        response = self.connection.getresponse()
        for name, value in response.getheaders():
            if name.lower() == "set-cookie":
                self.cookies |= {key: morsel.value for key, morsel in http.cookies.SimpleCookie(value).items()}
        return response.status, response.read()


def rate(site: str, board: str, seconds: float) -> tuple[list[float], list[float], int]:
    """Seconds of each page and each vote, and the number of failed requests."""
    rater, failures = Rater(site), 0
    pages: list[float] = []
    votes: list[float] = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        started = time.monotonic()
        status, page = rater.send("GET", f"/boards/{board}/battle/")
        action, token = ACTION.search(page), TOKEN.search(page)
        if status == 302:
            continue  # the first response only sets the cookie
        if status != 200 or not action or not token:
            failures += 1
            continue
        pages.append(time.monotonic() - started)
        form = {"csrfmiddlewaretoken": token[1].decode(), "winner": ANSWERS[len(votes) % 4]}
        started = time.monotonic()
        status, _ = rater.send("POST", action[1].decode(), urlencode(form))
        if status != 303:
            failures += 1
            continue
        votes.append(time.monotonic() - started)
    return pages, votes, failures


def describe(name: str, times: list[float], seconds: float) -> str:
    cuts = statistics.quantiles(times, n=100)
    return f"{name:>13} {len(times) / seconds:8.0f}/s   p50 {cuts[49] * 1e3:6.1f} ms   p99 {cuts[98] * 1e3:6.1f} ms"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("site")
    parser.add_argument("board")
    parser.add_argument("--raters", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=10)
    options = parser.parse_args()
    with multiprocessing.Pool(options.raters) as pool:
        runs = pool.starmap(rate, [(options.site, options.board, options.seconds)] * options.raters)
    pages, votes = [t for run in runs for t in run[0]], [t for run in runs for t in run[1]]
    print(f"{options.raters} raters, {options.seconds:.0f} s, failed requests: {sum(run[2] for run in runs)}")
    print(describe("battle pages", pages, options.seconds))
    print(describe("votes", votes, options.seconds))
    print(f"votes cast: {len(votes)}")


if __name__ == "__main__":
    main()
