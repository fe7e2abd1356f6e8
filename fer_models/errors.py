"""The errors of fedfer, drawn once.

FedferError
├── InputError   the user's input cannot be used: one line (what, got what, what to do), exit code 2
└── RunError     a run could not be finished: the reason in the last line, exit code 1
"""


class FedferError(Exception):
    """Base of every error that fedfer raises on purpose; its text is one plain line."""


class InputError(FedferError):
    """Something the user gave cannot be used: says what is wrong, what was got, what to do."""


class RunError(FedferError):
    """A run failed on its way: says what happened. Not `resumable`: going on would end the same way."""

    def __init__(self, message: str, *, resumable: bool = True) -> None:
        super().__init__(message)
        self.resumable = resumable


def first_cause(error: BaseException) -> str:
    """What went wrong in the first place, in one line that is never empty: an error of ours says it by
    itself, of any other the type is named, whose text alone may be none at all.
    """
    while error.__cause__ is not None and not isinstance(error, FedferError):
        error = error.__cause__
    said = " ".join(str(error).split())
    if isinstance(error, FedferError) and said:
        return said
    return f"{type(error).__name__}: {said}" if said else type(error).__name__
