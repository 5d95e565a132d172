"""Fetching a page, with what the standard library has. Everything here blocks."""

from dataclasses import dataclass, field
from html.parser import HTMLParser
from http.client import HTTPException
from urllib.error import HTTPError
from urllib.parse import urldefrag, urljoin, urlsplit
from urllib.request import Request, urlopen
from urllib.robotparser import RobotFileParser

NAME = "musterd-example-crawler"
TIMEOUT = 10.0
"""Seconds for each answer of a socket."""
MOST_BYTES = 2_000_000


@dataclass
class Page:
    """What came of a URL: its body and the links in it, or a problem."""

    url: str
    body: bytes = b""
    links: list[str] = field(default_factory=list)
    problem: str = ""


class Gate:
    """What each host's robots.txt allows; a host without one allows everything."""

    def __init__(self) -> None:
        self._rules: dict[str, RobotFileParser] = {}

    def allows(self, url: str) -> bool:
        """Whether this URL may be visited. Raises OSError where the host does not answer."""
        parts = urlsplit(url)
        home = f"{parts.scheme}://{parts.netloc}"
        if home not in self._rules:
            self._rules[home] = _robots(f"{home}/robots.txt")
        return self._rules[home].can_fetch(NAME, url)


def fetch(url: str, gate: Gate) -> Page:
    """Fetch a page; whatever is wrong with it stands in its problem."""
    try:
        if not gate.allows(url):
            return Page(url, problem="robots.txt does not allow it")
        body, is_html = _get(url)
    except (OSError, ValueError, HTTPException) as error:
        return Page(url, problem=f"{type(error).__name__}: {error}")
    return Page(url, body, _links(url, body) if is_html else [])


def _robots(url: str) -> RobotFileParser:
    try:
        lines = _get(url)[0].decode(errors="replace").splitlines()
    except HTTPError:
        lines = []
    rules = RobotFileParser()
    rules.parse(lines)
    return rules


def _get(url: str) -> tuple[bytes, bool]:
    """The body, and whether it is HTML."""
    if urlsplit(url).scheme not in {"http", "https"}:
        raise ValueError("neither http nor https")
    request = Request(url, headers={"User-Agent": NAME})  # noqa: S310, the scheme is checked above
    with urlopen(request, timeout=TIMEOUT) as answer:  # noqa: S310, as above
        if urlsplit(answer.url).netloc != urlsplit(url).netloc:
            raise ValueError(f"it leads to another host: {answer.url}")
        return answer.read(MOST_BYTES), answer.headers.get_content_type() == "text/html"


def _links(url: str, body: bytes) -> list[str]:
    finder = _LinkFinder()
    finder.feed(body.decode(errors="replace"))
    return list(dict.fromkeys(urldefrag(urljoin(url, link)).url for link in finder.links))


class _LinkFinder(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note where an anchor leads."""
        self.links += [value for name, value in attrs if tag == "a" and name == "href" and value]
