"""The library dp-accounting, which comes with the extra `privacy`: imported on use, and silent."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from fer_models.errors import InputError


def accounting() -> Any:
    """The package dp_accounting; InputError, which names the extra, if it is not installed."""
    try:
        import dp_accounting
    except ImportError as error:
        raise InputError(
            "privacy accounting needs dp-accounting, which is not installed; install it with"
            " pip install 'fedfer[privacy]'"
        ) from error
    return dp_accounting


@contextmanager
def silent() -> Iterator[None]:
    """Keeps the library's log lines off stderr: they name orders of RDP that it leaves out."""
    logger = logging.getLogger("absl")
    logger.addFilter(_nothing)
    try:
        yield
    finally:
        logger.removeFilter(_nothing)


def _nothing(record: logging.LogRecord) -> bool:
    return False
