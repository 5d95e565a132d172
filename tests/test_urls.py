"""URLs: what is refused, what redis-py makes of the rest, and that no secret is shown."""

from typing import Any

import pytest
from redis.asyncio.connection import SSLConnection, parse_url

from musterd import urls

SECRET = "hunter2"  # noqa: S105 - a secret only for these tests


@pytest.mark.parametrize(
    "url",
    [
        "redis://valkey.example",
        "valkeys://valkey.example:6390/2",
        f"rediss://ops:{SECRET}@[::1]:6379/0?ssl_cert_reqs=none",
        "unix:///run/valkey/valkey.sock?db=3",
        f"unix://:{SECRET}@/run/valkey.sock",
    ],
)
def test_accepts(url: str) -> None:
    """Every scheme, with login, port, database and TLS options."""
    assert urls.check(url) == url


@pytest.mark.parametrize(
    "url",
    [
        "localhost:6379",
        "http://localhost",
        "redis:localhost",
        "redis://localhost:0",
        "redis://localhost:port",
        "redis://localhost/first",
        "redis://localhost/0#1",
        "redis://localhost?db=first",
        "redis://localhost?socket_timeout=0",
        "redis://localhost?ssl_cert_reqs=none",
        f"redis://:{SECRET}#1@localhost",
        "unix://",
        "unix://run/valkey.sock",
    ],
)
def test_refuses(url: str) -> None:
    """What redis-py would fail on later, or silently take for something else."""
    with pytest.raises(ValueError, match=r"scheme|place|options|Port"):
        urls.check(url)


def test_every_tls_option_is_one_of_redis_py() -> None:
    """An accepted option never fails when the connection is made."""
    for option in urls._TLS_OPTIONS - {"ssl_check_hostname", "db"}:
        arguments: dict[str, Any] = {option: "none"}
        SSLConnection(**arguments)


@pytest.mark.parametrize("host", ["localhost", "192.0.2.1", "::1", "fe80::1%eth0"])
def test_build_survives_redis_py(host: str) -> None:
    """Whatever stands in the parts, redis-py reads the very same parts."""
    url = urls.build(host, 6390, 2, "o:p@s/", "p@ss:w/o?r#d% +")
    read = parse_url(url)
    assert read["host"] == host
    assert (read["port"], read["db"]) == (6390, 2)
    assert (read["username"], read["password"]) == ("o:p@s/", "p@ss:w/o?r#d% +")


def test_build_without_a_login() -> None:
    """No user and no password: none are sent."""
    assert urls.build("localhost", 6379, 0, None, None) == "redis://localhost:6379/0"


@pytest.mark.parametrize(
    ("url", "db", "username"),
    [
        ("valkey://localhost", 5, None),
        ("valkey://localhost/3", 3, None),
        ("valkeys://localhost?db=3", 3, None),
        ("unix:///run/valkey.sock", 5, None),
        (f"redis://:{SECRET}@localhost", 5, "ops"),
        (f"redis://boss:{SECRET}@localhost/1", 1, "boss"),
    ],
)
def test_complete(url: str, db: int, username: str | None) -> None:
    """The database and the user are those of the settings where the URL names none."""
    read = parse_url(urls.complete(url, 5, "ops"))
    assert read["db"] == db
    assert read.get("username") == username


def test_complete_keeps_the_path_of_a_socket() -> None:
    """A socket's path reaches redis-py whole."""
    read = parse_url(urls.complete("unix:///run/my%20valkey.sock", 0, None))
    assert read["path"] == "/run/my valkey.sock"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (f"redis://ops:{SECRET}@localhost:6379/1", "redis://localhost:6379/1"),
        (f"redis://localhost?db=1&password={SECRET}", "redis://localhost/1"),
        (f"unix:///run/valkey.sock?password={SECRET}&db=1", "unix:///run/valkey.sock?db=1"),
        (f"redis://:{SECRET}@/1", "redis://localhost/1"),
    ],
)
def test_public(url: str, shown: str) -> None:
    """People see the place and the database, and nothing else."""
    assert urls.public(url) == shown


@pytest.mark.parametrize(
    "text",
    [
        f"redis://:{SECRET}",
        f"redis://:{SECRET}@localhost:port",
        f"redis://ops:a@{SECRET}@localhost",
        f"redis://ops:a?{SECRET}/",
        f"http://localhost?password={SECRET}",
        f"unix:///run/valkey.sock?password=a@{SECRET}",
        f"ops:{SECRET}@localhost",
    ],
)
def test_redact_hides(text: str) -> None:
    """However a URL is broken, its password is not shown."""
    assert SECRET not in urls.redact(text)


@pytest.mark.parametrize("text", ["localhost:6379", "http://localhost:6379/0", "a b", "-1"])
def test_redact_shows(text: str) -> None:
    """What cannot hold a password is shown, so that the mistake is seen."""
    assert urls.redact(text) == text
