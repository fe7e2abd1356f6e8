"""Which cases of a test are tried at every turn, and which by `make test` alone."""

from collections.abc import Iterable
from typing import Any

import pytest


def few_quick(cases: Iterable[Any], *quick: Any) -> list[Any]:
    """The cases for pytest.mark.parametrize, all but `quick` of which are slow."""
    marked = []
    for case in cases:
        values = case if isinstance(case, tuple) else (case,)
        marked.append(case if case in quick else pytest.param(*values, marks=pytest.mark.slow))
    return marked
