"""What every command reports on its photos: how many are used, how names were understood, what leaks.

The numbers are those of the ledger (fer_models/photos/ledger.py) and of the leakage check
(fer_models/data/leakage.py).
"""

from fer_models.data import leakage
from fer_models.data.images import ImageTable
from fer_models.data.leakage import Leakage
from fer_models.text import many
from simulations.terminal.display import Display

MOST = 200_000  # photos whose pairs are all compared; those of more would take minutes


def tell(table: ImageTable, display: Display, *, always: bool = False) -> Leakage | None:
    """Prints the ledger's line and everything that the user should know or check.

    Returns what leaks; None if photos were not compared. Without `always`, that is so for drawn faces, which
    all differ, and for too many photos.
    """
    ledger = table.ledger
    for line in (ledger.line(), *ledger.notes_and_names()):
        display.note(line, plain=True)
    found = _compare(table, display) if always or (table.source != "sketch" and len(table) <= MOST) else None
    ledger.warnings[:] = warnings(table, found)
    for line in ledger.alarms():
        display.note(line)
    return found


def _compare(table: ImageTable, display: Display) -> Leakage:
    with display.stage("Leakage check", unit="photos") as step:
        found = leakage.find_leakage(table, progress=step)
        step(len(table), len(table))
    return found


def warnings(table: ImageTable, found: Leakage | None) -> list[str]:
    """What the parts of the split share but should not, one line each."""
    said = []
    people = leakage.shared_subjects(table.subjects, table.split)
    if people:
        said.append(
            f"{many(len(people), 'person is', 'people are')} in two parts of the split: the test photos"
            ' show people known from training (data.split_by="subject" keeps people together)'
        )
    if found is None:
        if table.source != "sketch":
            said.append(
                f"Near duplicates were not searched for among {len(table):,} photos; fedfer data show does so"
            )
        return said
    if copies := len(found.copies_across(table.split)):
        said.append(f"{many(copies, 'photo is', 'photos are')} in two parts of the split, as copies")
    if two := sum(len(set(table.labels[list(group)].tolist())) > 1 for group in found.copies):
        said.append(f"{many(two, 'photo is', 'photos are')} labelled with two emotions, as copies")
    if near := int(found.across.sum()):
        more = "More than " if found.more else ""
        said.append(
            f"{more}{many(near, 'pair')} of near duplicates across the parts of the split: held-out photos"
            " are known from training (fedfer data show lists them)"
        )
    return said
