"""What keeps a daemon from starting, or its end from being whole."""

from typing import NamedTuple

from musterd.errors.root import MusterdError


class SettingError(MusterdError):
    """A setting's value is not acceptable."""

    exit_code = 2

    def __init__(self, name: str, value: str, accepted: str) -> None:
        self.name = name
        super().__init__(f"{name}: {value!r} is not accepted; give {accepted}")


class KindError(MusterdError):
    """A definition of agent kinds cannot be used."""

    exit_code = 2

    def __init__(self, source: str, problem: str) -> None:
        self.source = source
        super().__init__(f"MUSTERD_AGENTS: {source}: {problem}")


class StateDirError(MusterdError):
    """The state folder cannot be used, or is another daemon's."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"MUSTERD_STATE_DIR: {path}: {problem}")


class Holder(NamedTuple):
    """Who has a node's name, as its record says."""

    epoch: str
    host: str
    pid: str
    process: str


class NameTakenError(MusterdError):
    """Another live daemon has this node's name."""

    def __init__(self, node: str, holder: Holder) -> None:
        self.node = node
        self.holder = holder
        super().__init__(
            f"MUSTERD_NODE: {node!r} is the name of a daemon that is alive "
            f"(pid {holder.pid} on {holder.host}); stop that one, or give this one another name"
        )


class UnwrittenError(MusterdError):
    """A daemon ended while Valkey did not take the endings of its last agents."""

    def __init__(self, count: int) -> None:
        super().__init__(
            f"the endings of {count} agents could not be written; "
            "they are settled as lost when this daemon starts again, or by another one"
        )
