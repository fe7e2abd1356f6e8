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
