"""Which tests run one after the other, where tests run side by side."""

from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

ONE_BY_ONE = "tests/systemd/"
"""Folder of tests that share a tree of control groups."""


class Schedule(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
    """Every test by itself, wherever there is room; those of one folder all in one place."""

    def _split_scope(self, nodeid: str) -> str:
        return ONE_BY_ONE if nodeid.startswith(ONE_BY_ONE) else nodeid
