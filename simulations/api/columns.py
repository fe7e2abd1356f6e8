"""Records as columns: the rounds of a run, the rows of a table."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from fer_models.errors import InputError
from fer_models.run_folder.rounds import RoundRecord

if TYPE_CHECKING:
    from pandas import DataFrame


class Columns(Mapping[str, np.ndarray]):
    """Columns of equal length by name, (n,) each; unknown numbers are NaN."""

    def __init__(self, lines: Sequence[Mapping[str, object]]) -> None:
        names = dict.fromkeys(name for line in lines for name in line)
        self._columns = {name: _column([line.get(name) for line in lines]) for name in names}

    def __getitem__(self, name: str) -> np.ndarray:
        return self._columns[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        return len(self._columns)

    def __repr__(self) -> str:
        length = len(next(iter(self._columns.values()), ()))
        return f"<{length} lines: {', '.join(self)}>"

    def to_pandas(self) -> "DataFrame":
        """The columns as a DataFrame; InputError if pandas is not installed."""
        try:
            from pandas import DataFrame
        except ImportError as error:
            raise InputError(
                "to_pandas needs pandas, which is not installed; install it with pip install pandas, or use"
                " the columns as they are"
            ) from error
        return DataFrame(self._columns)


def of_rounds(rounds: Sequence[RoundRecord]) -> Columns:
    """The numbers of each round."""
    return Columns([line.numbers for line in rounds])


def _column(values: list[object]) -> np.ndarray:
    known = [value for value in values if value is not None]
    if len(known) == len(values):
        return np.array(values)
    if all(isinstance(value, int | float) for value in known):
        return np.array([np.nan if value is None else value for value in values], dtype=np.float64)
    return np.array(values, dtype=object)
