"""An attacker of the benchmark of attacks: a browser whose cookies can be dropped."""

import http.client
import http.cookies
import re
from contextlib import closing
from urllib.parse import urlencode, urlsplit

CSRF = re.compile(rb'name="csrfmiddlewaretoken" value="([^"]+)"')
BATTLE = re.compile(rb'action="/battles/([^/"]+)/vote/"')


class Attacker:
    """A browser. A new one has no cookies."""

    def __init__(self, site: str, board: str) -> None:
        self.address, self.board = urlsplit(site), board
        self.cookies: dict[str, str] = {}
        self.csrf_token = ""

    def copy(self) -> "Attacker":
        """Another tab with the present cookies."""
        other = Attacker(self.address.geturl(), self.board)
        other.cookies = dict(self.cookies)
        return other

    def get(self, path: str) -> tuple[int, bytes]:
        """The page at the end of redirects."""
        status, body, location = self._send("GET", path)
        for _ in range(3):
            if not location:
                break
            status, body, location = self._send("GET", location)
        return status, body

    def post(self, path: str, **form: str) -> int:
        """The status of the response. The form's token is from the page for typed prompts, which opens no battle."""
        if not self.csrf_token and (found := CSRF.search(self.get(f"/boards/{self.board}/battle/prompt/")[1])):
            self.csrf_token = found[1].decode()
        return self._send("POST", path, urlencode(form | {"csrfmiddlewaretoken": self.csrf_token}))[0]

    def open(self) -> str:
        """The token of this browser's battle, "" if the site gives none."""
        for _ in range(2):  # the first page may only set a cookie
            if found := BATTLE.search(self.get(f"/boards/{self.board}/battle/")[1]):
                return found[1].decode()
        return ""

    def vote(self, token: str, winner: str = "tie") -> int:
        return self.post(f"/battles/{token}/vote/", winner=winner, how="key", seconds_shown="4")

    def report(self, token: str) -> int:
        return self.post(f"/battles/{token}/report/", reason="broken")

    def type(self, text: str) -> int:
        return self.post(f"/boards/{self.board}/battle/prompt/", prompt=text)

    def _send(self, method: str, path: str, body: str = "") -> tuple[int, bytes, str]:
        headers = {"Cookie": "; ".join(f"{k}={v}" for k, v in self.cookies.items()), "Host": self.address.netloc}
        if body:
            headers |= {"Content-Type": "application/x-www-form-urlencoded", "Origin": f"http://{self.address.netloc}"}
        link = http.client.HTTPConnection(self.address.hostname or "", self.address.port, timeout=120)
        with closing(link):
            link.request(method, path, body or None, headers)
            response = link.getresponse()
            content = response.read()
        for name, value in response.getheaders():
            if name.lower() == "set-cookie":
                self.cookies |= {key: morsel.value for key, morsel in http.cookies.SimpleCookie(value).items()}
        return response.status, content, response.getheader("Location") or ""
