"""The error classes of fedfer.

FedferError
├── InputError   the user's input cannot be used: one line (what, got what, what to do), exit code 2
└── RunError     a run could not be finished: the reason in the last line, exit code 1
"""


class FedferError(Exception):
    """Base of every error that fedfer raises on purpose; its text is one plain line."""


class InputError(FedferError):
    """The user's input cannot be used: says what is wrong, what it got, and what to do."""


class RunError(FedferError):
    """A run failed: says what happened. Not `resumable`: resuming would fail the same way."""

    def __init__(self, message: str, *, resumable: bool = True) -> None:
        super().__init__(message)
        self.resumable = resumable


def first_cause(error: BaseException) -> str:
    """The root cause of an error in one line that is never empty: the text of a FedferError, or the type and
    text of any other error, since its text alone may be empty.
    """
    while error.__cause__ is not None and not isinstance(error, FedferError):
        error = error.__cause__
    text = " ".join(str(error).split())
    if isinstance(error, FedferError) and text:
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
