"""Any table and any tree of folders: never a traceback, and no photo is lost without a line.

The law: every row of a table and every file of a tree is used, set aside, unreadable or in the ledger.
"""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from support_photo_folders import encoded, gray

from fer_models.config import DataConfig, SketchConfig
from fer_models.data.images import ImageTable, load_table
from fer_models.errors import InputError
from fer_models.photos.layout import hidden

pytestmark = pytest.mark.usefixtures("own_cache")
SLOW = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
RUNS = settings(
    max_examples=60 if settings().max_examples >= 60 else 8, deadline=None, suppress_health_check=SLOW
)
CLASSES = ("anger", "fear")
ODD = [
    "x.JPG",
    "broken.png",
    "notes.txt",
    "a.aae",
    ".DS_Store",
    "Thumbs.db",
    "no ending",
    "labels.csv",
    "l.csv",
]
PHOTO = [encoded(gray(i), "png") for i in range(256)]


@contextmanager
def folder() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="fedfer-fuzz-"))
    try:
        yield path
    finally:
        shutil.rmtree(path)


def loaded(source: Path, **changes: object) -> ImageTable | str:
    """The table, or the one line that says why there is none."""
    data = DataConfig(source=str(source), classes=CLASSES, max_unreadable=1.0, **changes)  # type: ignore[arg-type]
    try:
        found: ImageTable | str = load_table(data, SketchConfig(), seed=0)
    except InputError as error:
        found = str(error)
    event("refused" if isinstance(found, str) else "used")
    assert not isinstance(found, str) or ("\n" not in found and len(found) > 20)
    return found


def told(table: ImageTable) -> int:
    """Photos and rows that the line of the ledger tells of."""
    ledger = table.ledger
    assert (ledger.used, ledger.unreadable) == (len(table), len(table.unreadable))
    for why, count in ledger.set_aside.items():
        assert f"{count:,} {why}" in ledger.line()
    return ledger.used + ledger.unreadable + sum(ledger.set_aside.values())


spelt = (
    st.sampled_from(["anger", "Angry", "0_anger", " ANGRY"]),
    st.sampled_from(["fear", "fearful ", "1 Fear"]),
)
extra = st.lists(
    st.tuples(
        st.sampled_from(
            ["p1.png", "p24.png", "sub/p25.png", "gone.png", "Q1.PNG", "no\\p2.png", "", " ", "sub"]
        ),
        st.sampled_from(["anger", "fear", "boredom", "3", "", "joy"]),
        st.sampled_from(["", "a", "b"]),
    ),
    max_size=8,
)


@pytest.mark.slow
@RUNS
@given(
    sound=st.tuples(*(spelt[i % 2] for i in range(24))),
    way=st.sampled_from(["p{}.png", "./p{}.png", "sub/../p{}.png", "P{}.png", "p{}.PNG", "sub\\..\\p{}.png"]),
    extra=extra,
    header=st.sampled_from(
        ["file,emotion,subject", "Path,Label,Person", "image,expression,user", "a,b,c", ""]
    ),
    separator=st.sampled_from(",;\t"),
    end=st.sampled_from(["\n", "\r\n", "\r", "\n\n"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "latin-1"]),
    quoted=st.booleans(),
)
def test_tables(
    sound: tuple[str, ...],
    way: str,
    extra: list[tuple[str, str, str]],
    header: str,
    separator: str,
    end: str,
    encoding: str,
    quoted: bool,
) -> None:
    rows = [(way.format(i), label, f"x{i}") for i, label in enumerate(sound)] + extra
    with folder() as root:
        (root / "sub").mkdir()
        for i in range(26):
            (root / f"p{i}.png").write_bytes(PHOTO[i])
        shutil.copy(root / "p25.png", root / "sub")
        quote = '"{}"' if quoted else "{}"
        lines = [separator.join(quote.format(field) for field in row) for row in (header.split(","), *rows)]
        (root / "t.csv").write_bytes((end.join(lines) + end).encode(encoding))
        found = loaded(root / "t.csv")
        if isinstance(found, ImageTable):
            assert told(found) == sum(any(field.strip() for field in row) for row in rows)
        else:
            assert header in ("", "a,b,c") or way == "P{}.png", found  # all else can be borne


@RUNS
@given(
    content=st.binary(max_size=300) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace"))
)
def test_any_bytes_as_a_table(content: bytes) -> None:
    with folder() as root:
        for name in ("t.csv", "T.TSV", "labels.csv"):
            (root / name).write_bytes(content)
            assert isinstance(loaded(root / name), str)
        for emotion in CLASSES:
            (root / emotion).mkdir()
            for i in range(6):
                (root / emotion / f"{i}.png").write_bytes(PHOTO[i + 10 * len(emotion)])
        assert isinstance(loaded(root), ImageTable)  # whatever labels.csv is, folders stand beside it


@pytest.mark.slow
@RUNS
@given(
    layout=st.sampled_from(
        ["", "archive", "a/b", "train|test", "Training|val|PrivateTest", "train_set/x|test_set/x"]
    ),
    spelt=st.tuples(*spelt),
    others=st.sets(
        st.tuples(
            st.sampled_from(
                ["anger", "Fear ", "1_fear", "boredom", "5", "train", "", "__MACOSX", ".hidden", "test/fear"]
            ),
            st.sampled_from([f"{i}.png" for i in range(9)] + ODD),
        ),
        max_size=40,
    ),
    split=st.sampled_from([(0.6, 0.2, 0.2), "given"]),
)
def test_trees(layout: str, spelt: tuple[str, str], others: set[tuple[str, str]], split: object) -> None:
    with folder() as root:
        content, made = iter(PHOTO), set()

        def make(path: Path) -> None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"" if path.name.startswith("broken") else next(content))
            made.add(path)

        for part in layout.split("|"):
            for label in spelt:
                for i in range(9):
                    make(root / part / label.strip() / f"sound{i}.png")
        for emotion, name in sorted(others):
            make(root / layout.split("|")[0] / emotion / name)
        found = loaded(root, split=split)
        if isinstance(found, str):
            assert split == "given", found  # which not every layout has
            return
        kept = {path for path in made if not any(map(hidden, path.relative_to(root).parts[:-1]))}
        assert told(found) + len(found.ledger.files) == len(kept), (found.ledger, kept)
