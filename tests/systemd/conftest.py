"""A machine with musterd installed on it, as fixtures."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.tools import require
from tests.systemd.host import Host
from tests.systemd.sandbox import Sandbox, require_sandbox

ROOT = Path(__file__).parents[2]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The first of these tests waits for the installation, and all of them for a machine."""
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.timeout(300))


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `make install` installs, staged in a folder; it takes about 15 s, once."""
    require_sandbox()
    folder = tmp_path_factory.mktemp("installed")
    done = subprocess.run(
        [require("make"), "install", f"DESTDIR={folder}", f"PYTHON={_python()}"],
        cwd=ROOT,
        env={name: os.environ[name] for name in os.environ if not name.startswith("PYTHON")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def _python() -> str:
    """A Python outside of homes, which the unit does not see, that is new enough."""
    wanted = "import ensurepip, sys; sys.exit(sys.version_info < (3, 11))"
    for program in ("/usr/bin/python3", "/usr/local/bin/python3", sys.executable):
        if (
            not Path(program).resolve().is_relative_to("/root")
            and not subprocess.run(
                [program, "-c", wanted], capture_output=True, check=False
            ).returncode
        ):
            return program
    return require("python3 outside of homes, with venv")


@pytest.fixture
def host(installed: Path) -> Iterator[Host]:
    """A booted machine of this test's own; everything on it ends with the test."""
    with Sandbox(installed) as sandbox:
        yield Host(sandbox)
