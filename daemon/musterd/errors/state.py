"""What the state plane answers: a step that is refused, a place that is gone, or nothing."""

from musterd.errors.root import MusterdError


class IllegalStepError(MusterdError):
    """A record is not in a state from which this step leads anywhere."""

    def __init__(self, record_id: str, source: str, target: str) -> None:
        self.record_id = record_id
        self.source = source
        self.target = target
        super().__init__(f"{record_id}: {source} → {target} is not a legal step")


class NotOwnerError(MusterdError):
    """Another owner (node, epoch, token) holds the record."""

    def __init__(self, record_id: str) -> None:
        self.record_id = record_id
        super().__init__(f"{record_id}: belongs to another owner; what was to be written was not")


class BrokenRecordError(MusterdError):
    """A step met a key whose type or content is not ours; nothing was written."""

    def __init__(self, record_id: str, problem: str) -> None:
        self.record_id = record_id
        self.problem = problem
        super().__init__(f"{record_id}: {problem}; nothing was written, repair or delete the key")


class EventsTrimmedError(MusterdError):
    """Events after a reader's place are gone from the log."""

    def __init__(self, place: str, first_left: str | None) -> None:
        self.place = place
        self.first_left = first_left
        left = f"the first one left is {first_left}" if first_left else "none are left"
        # A place that was never an event's cannot be told from one that is gone.
        super().__init__(f"events after {place} may have been trimmed away; {left}")


class UnreachableError(MusterdError):
    """Valkey does not answer.

    Attributes:
        where: the server, or the folder of the embedded one.
        problem: what was met.
        advice: what to do.
    """

    exit_code = 5

    def __init__(
        self,
        where: str,
        problem: str,
        advice: str = "start `musterd run --embedded`, or name a server with VALKEY_URL",
    ) -> None:
        self.where = where
        self.problem = problem
        self.advice = advice
        super().__init__(f"Valkey at {where} is not reachable: {problem}; {advice}")


class RefusedError(MusterdError):
    """Valkey answers, but not to us, or not as it must."""

    exit_code = 2

    def __init__(self, where: str, problem: str) -> None:
        super().__init__(f"Valkey at {where} refuses: {problem}")
