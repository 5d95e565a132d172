"""Where a server is, as a URL: what is accepted, what redis-py is handed, what people may see."""

import re
from typing import Final
from urllib.parse import SplitResult, parse_qs, quote, urlsplit

ACCEPTED: Final = (
    "redis://, rediss://, valkey:// or valkeys:// with [user:password@]host[:port][/db], "
    "or unix:// with the full path of a socket; reserved characters of a password as %XX"
)

# What people write -> what redis-py knows.
_SCHEMES = {
    "redis": "redis",
    "rediss": "rediss",
    "unix": "unix",
    "valkey": "redis",
    "valkeys": "rediss",
}
# redis-py lets a URL override any argument of a connection. Timeouts, retries and decoding are
# chosen where the connection is made, and must stay so.
_OPTIONS = frozenset({"db", "password", "username"})
_TLS_OPTIONS = _OPTIONS | {
    "ssl_ca_certs",
    "ssl_ca_path",
    "ssl_cert_reqs",
    "ssl_certfile",
    "ssl_check_hostname",
    "ssl_keyfile",
}
_WITHOUT_SECRETS = re.compile(r"unix://[\w./-]*|[a-z]+://[\w.-]+(:\d{1,5})?(/\d*)?", re.ASCII)


def check(url: str) -> str:
    """Return `url` if redis-py will do with it what its author means.

    Raises:
        ValueError: redis-py would fail on it later, or ignore a part of it without a word.
    """
    parts = urlsplit(url)
    options = parse_qs(parts.query, keep_blank_values=True)
    if "://" not in url or parts.scheme not in _SCHEMES or parts.fragment:
        raise ValueError("scheme")
    if not (_is_socket(parts) if parts.scheme == "unix" else _is_address(parts)):
        raise ValueError("place")
    allowed = _TLS_OPTIONS if _SCHEMES[parts.scheme] == "rediss" else _OPTIONS
    if options.keys() - allowed or not all(map(str.isdecimal, options.get("db", []))):
        raise ValueError("options")
    return url


def _is_socket(parts: SplitResult) -> bool:
    return parts.hostname is None and parts.path.strip("/") != ""


def _is_address(parts: SplitResult) -> bool:
    return parts.port != 0 and re.fullmatch(r"/?[0-9]*", parts.path) is not None


def build(host: str, port: int, db: int, username: str | None, password: str | None) -> str:
    """A `redis://` URL of its parts, each quoted."""
    login = ""
    if username or password:
        login = f"{quote(username or '', safe='')}:{quote(password or '', safe='')}@"
    place = quote(f"[{host}]" if ":" in host else host, safe="[:]")
    return f"redis://{login}{place}:{port}/{db}"


def complete(url: str, db: int, username: str | None, password: str | None = None) -> str:
    """A checked `url` for redis-py, with database, user and password where it names none."""
    parts = urlsplit(url)
    options = parse_qs(parts.query)
    query = [parts.query] if parts.query else []
    if "db" not in options and (parts.scheme == "unix" or not parts.path.strip("/")):
        query.append(f"db={db}")
    has_password = bool(parts.password or "password" in options)
    if password and not has_password:
        query.append(f"password={quote(password, safe='')}")
        has_password = True
    if username and has_password and not (parts.username or "username" in options):
        query.append(f"username={quote(username, safe='')}")
    place = url.partition("://")[2].partition("?")[0]
    return f"{_SCHEMES[parts.scheme]}://{place}" + ("?" + "&".join(query) if query else "")


def public(url: str) -> str:
    """A completed `url` without user and password, for people and logs."""
    parts = urlsplit(url)
    db = parse_qs(parts.query).get("db", [parts.path.strip("/")])[0]
    if parts.scheme == "unix":
        return f"unix://{parts.path}?db={db}"
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2] or 'localhost'}/{db}"


def redact(text: str) -> str:
    """`text`, which may be a URL broken anywhere, without anything that may be a password."""
    if _WITHOUT_SECRETS.fullmatch(text) or ("://" not in text and "@" not in text):
        return text
    scheme, separator, _ = text.partition("://")
    return f"{scheme}://***" if separator and scheme.isalpha() else "***"
