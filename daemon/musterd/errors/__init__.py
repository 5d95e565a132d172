"""Every error that musterd raises on purpose. Each builds its own sentence from typed fields.

`exit_code` is what the command line ends with when the error reaches it; `code` is the error's name
in a reply on the control channel.
"""

from musterd.errors.daemon import (
    Holder,
    KindError,
    NameTakenError,
    SettingError,
    StateDirError,
    UnwrittenError,
)
from musterd.errors.kinds import (
    NotOfferedError,
    RejectedContextError,
    TooManyKindsError,
    UnknownKindError,
)
from musterd.errors.requests import (
    AlreadyTerminalError,
    AmbiguousIdError,
    DeafError,
    ExistsError,
    MailboxFullError,
    MalformedError,
    NoAgentError,
    NotFoundError,
    TooLargeError,
)
from musterd.errors.root import SHOWN, MusterdError, shorten
from musterd.errors.state import (
    BrokenRecordError,
    EventsTrimmedError,
    IllegalStepError,
    NotOwnerError,
    RefusedError,
    UnreachableError,
)

__all__ = [
    "SHOWN",
    "AlreadyTerminalError",
    "AmbiguousIdError",
    "BrokenRecordError",
    "DeafError",
    "EventsTrimmedError",
    "ExistsError",
    "Holder",
    "IllegalStepError",
    "KindError",
    "MailboxFullError",
    "MalformedError",
    "MusterdError",
    "NameTakenError",
    "NoAgentError",
    "NotFoundError",
    "NotOfferedError",
    "NotOwnerError",
    "RefusedError",
    "RejectedContextError",
    "SettingError",
    "StateDirError",
    "TooLargeError",
    "TooManyKindsError",
    "UnknownKindError",
    "UnreachableError",
    "UnwrittenError",
    "shorten",
]
