"""The matrix of faults and the tests of faults are the same."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_matrix_is_what_is_tested() -> None:
    """Each test that it names exists, and each test of a fault is a row of it."""
    text = (ROOT / "docs/reliability.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(test_\w+)`", text))
    found = {
        name
        for path in (ROOT / "tests/faults").glob("test_*.py")
        for name in re.findall(r"^async def (test_\w+)", path.read_text("utf-8"), re.MULTILINE)
    }
    assert named == found
