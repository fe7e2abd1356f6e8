"""The split that comes with the data (`data.split = "given"`): folders, FER2013's Usage, a column.

Test stays test. If the data have no validation part, a fifth of the training photos becomes one; if they
have a validation part but no test part, it serves as the test part, as is usual with such sets.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from fer_models.config import SPLITS, DataConfig
from fer_models.errors import InputError
from fer_models.photos.ledger import NO_PART, Ledger

VALIDATION = 0.2  # share of the training photos, if there is no validation part
_SHARES = "let fedfer split: --set 'data.split=[0.6, 0.2, 0.2]'"
_VALIDATION, _TEST = 1, 2


def given_parts(names: Sequence[str], data: DataConfig, ledger: Ledger) -> np.ndarray | None:
    """The part of each photo, (n,) int8 into SPLITS, from the parts that come with the photos ("" for none).

    None if `data.split` has shares; then a note says that parts were pooled. Raises InputError if the given
    parts are requested but missing.
    """
    counts = Counter(names)
    said = ", ".join(f"{name} {counts[name]:,}" for name in SPLITS if counts[name])
    if data.split != "given":
        if sum(1 for name in SPLITS if counts[name]) > 1:
            ledger.notes.append(
                f"The parts that came with the photos ({said}) were pooled and split again; --set"
                " data.split=given"
                " keeps them"
            )
        return None
    if not counts["train"] or not (counts["test"] or counts["validation"]):
        raise InputError(
            f'data.split is "given" but the photos come with {said or "no parts"}{_odd(ledger)}: it needs'
            f" train and test, as folders, as FER2013's Usage or as a column split; or {_SHARES}"
        )
    if counts[""]:
        raise InputError(
            f'data.split is "given" but {counts[""]:,} of {len(names):,} photos are in no part'
            f" ({said}){_odd(ledger)}; assign them to one, or {_SHARES}"
        )
    parts = np.array([SPLITS.index(name) for name in names], dtype=np.int8)
    if not counts["test"]:
        parts[parts == _VALIDATION] = _TEST
        ledger.notes.append(
            f"The photos come without a test part: their validation part ({counts['validation']:,} photos)"
            f" serves as the test part, and {VALIDATION:.0%} of the training photos as validation"
        )
    elif not counts["validation"]:
        ledger.notes.append(
            f"The photos come without a validation part: {VALIDATION:.0%} of the training photos serve as one"
        )
    return parts


def _odd(ledger: Ledger) -> str:
    """The values that name no part, in brackets."""
    odd = [note for note in ledger.notes if note.endswith(NO_PART)]
    return f" ({'; '.join(odd)})" if odd else ""
