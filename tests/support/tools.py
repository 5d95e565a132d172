"""Programs that a test needs and this machine may lack."""

import os
import shutil

import pytest


def require(program: str) -> str:
    """The path of a program. Without it the test is skipped with the reason, and fails in CI."""
    path = shutil.which(program)
    if path is None and os.environ.get("CI"):
        pytest.fail(f"{program} is not installed; .ci/run must see to it")
    if path is None:
        pytest.skip(f"{program} is not installed")
    return path
