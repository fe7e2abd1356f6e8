"""Tables as spreadsheets and scripts write them: encodings, separators, headers, names of files."""

import os
import shlex
import unicodedata
from pathlib import Path

import pytest
from support_photo_folders import PAIR, gray, load, refused

from fer_models.errors import InputError
from fer_models.photos.tabular import tables
from fer_models.photos.tabular.file_names import FileNames
from fer_models.photos.tabular.tables import read_table
from simulations.experiment import load as load_experiment

pytestmark = pytest.mark.usefixtures("own_cache")


def rows(sep: str = ",", slash: str = "/", end: str = "\n", header: str = "file,emotion") -> str:
    lines = [f"{e}{slash}{i:02d}.png{sep}{e}" for e in PAIR for i in range(12)]
    return end.join([header.replace(",", sep), *lines]) + end


def written(folder: Path, content: str | bytes, encoding: str = "utf-8", name: str = "t.csv") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
    return path


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "latin-1", "utf-32"]
)
@pytest.mark.parametrize("sep", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_every_encoding_separator_and_line_ending(folder: Path, encoding: str, sep: str, end: str) -> None:
    table = load(written(folder, rows(sep, end=end), encoding))
    assert list(table.paths) == list(load(folder).paths)
    assert table.ledger.line() == "Photos: 24 used"


@pytest.mark.parametrize(
    "header",
    [
        "File,Emotion",
        " FILE , EMOTION ",
        "path,label",
        "pth,expression",
        "Image name,Class",
        "filename,labels",
    ],
)
def test_usual_names_of_columns(folder: Path, header: str) -> None:
    table = load(written(folder, rows(header=header)))
    assert len(table) == 24
    assert set(table.ledger.columns.values()) == {"file", "emotion"}


def test_what_excel_adds(folder: Path) -> None:
    assert len(load(written(folder, "sep=;\r\n" + rows(";", end="\r\n")))) == 24
    assert len(load(written(folder, rows(";", end=";\r\n"), "utf-8-sig"))) == 24
    assert len(load(written(folder, rows(end="\n,,\n\n"), name="UPPER.CSV"))) == 24
    book = written(folder, b"PK\x03\x04 and more")
    assert "t.csv is an Excel workbook; save it as CSV" in refused(book)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b'file,emotion\n"anger/00.png,anger\nanger/01.png,anger\n', r"t.csv, line 3: not a table of text"),
        (b"file,emotion\nanger/0\x000.png,anger\n", "line 2: a NUL byte"),
        (b"\xff\xfef\x00i\x00l", "t.csv is damaged: it starts as UTF-16 but is not valid"),
        (b"\x00\x01\x02", "t.csv is damaged: it starts as UTF-16-BE but is not valid"),
    ],
)
def test_what_is_no_table_is_one_line(folder: Path, content: bytes, words: str) -> None:
    assert words in refused(written(folder, content))


def test_rows_that_are_not_used_are_in_the_ledger(folder: Path) -> None:
    more = (
        "anger/00.png,anger\n./anger/00.png,Angry\n,fear\nfear/00.png,\nfear/01.png,fear,x,y\n"
        "x.png,boredom\nanger/02.png,fear\n"
    )
    table = load(written(folder, rows().replace("fear/01.png,fear\n", "") + more))
    assert (table.ledger.used, len(table)) == (22, 22)
    assert table.ledger.line() == (
        "Photos: 22 used; 8 set aside (1 of other emotions, 2 twice, 2 under two labels,"
        " 1 in rows with too many fields, 1 without a file name, 1 without a label)"
    )
    assert table.ledger.listed["line 25 (first in line 2)"] == "twice"
    assert table.ledger.listed["line 31 (02.png)"] == "under two labels"
    assert table.ledger.other_emotions == {"boredom": 1}


def test_a_missing_file_is_an_unreadable_photo(folder: Path) -> None:
    table = load(written(folder, rows() + "anger/gone.png,anger\n"))
    assert table.ledger.line() == "Photos: 24 used; 1 unreadable"
    assert table.unreadable == ((f"{folder}/anger/gone.png", "no such file"),)
    assert "1 of 25 photos" in refused(folder / "t.csv", max_unreadable=0.01)


@pytest.mark.parametrize("name", ["Person", "subject_id", "Subject ID", "identity"])
def test_columns_of_people(folder: Path, name: str) -> None:
    lines = rows(header=f"file,emotion,{name}").splitlines()
    people = "\n".join([lines[0], *(f"{line},p{i % 6}" for i, line in enumerate(lines[1:]))])
    table = load(written(folder, people))
    assert table.subjects is not None
    assert len(set(table.subjects.tolist())) == 6
    assert table.ledger.notes == [f"Column {name} says who is in a photo"]


@pytest.mark.parametrize(
    ("name", "told"), [("annotator", False), ("user.id", False), ("face_id", True), ("Name", True)]
)
def test_other_columns_are_mentioned_where_they_may_be_people(folder: Path, name: str, told: bool) -> None:
    table = load(
        written(folder, "\n".join(f"{line},{name}" for line in rows(header="file,emotion").splitlines()))
    )
    assert table.subjects is None
    assert table.ledger.columns == {"file": "file", "emotion": "emotion", name: "not used"}
    assert bool(table.ledger.notes) == told


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    for name in ("Büro/é.JPG", "a/B.png", "a/two.JPG", "a/two.jpg", "deep/er/x.png", "a/x.PNG"):
        path = root / unicodedata.normalize("NFD", name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return root


@pytest.mark.parametrize(
    ("name", "there"),
    [
        ("a/B.png", "a/B.png"),
        ("a\\B.png", "a/B.png"),
        ("./a//../a/B.png", "a/B.png"),
        (unicodedata.normalize("NFC", "Büro/é.jpg"), unicodedata.normalize("NFD", "Büro/é.JPG")),
        ("a/x.png", "a/x.PNG"),
        (" a/x.png ", "a/x.PNG"),
        ("a/two.jpg", "a/two.jpg"),
    ],
)
def test_names_of_other_systems_find_their_files(photos: Path, name: str, there: str) -> None:
    found = FileNames(photos).find(name.strip())
    assert (found.path, found.reason) == (str(photos / there), None)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("a/b.png", 'no such file, but there is "a/B.png"'),
        ("A/B.png", 'no such file, but there is "a/B.png"'),
        ("a/none.png", "no such file"),
        ("a/two.Jpg", "no such file"),  # two fit as well
        (
            "C:\\Users\\me\\a\\B.png",
            'no such file, but there is "a/B.png": remove "C:\\\\Users\\\\me\\\\" from the names',
        ),
        (
            "/mnt/data/deep/er/x.png",
            'no such file, but there is "deep/er/x.png": remove "/mnt/data/" from the names',
        ),
        ("a", "not a file"),
        ("", "not a file"),
    ],
)
def test_a_name_that_nearly_fits_is_shown_with_what_differs(photos: Path, name: str, reason: str) -> None:
    found = FileNames(photos).find(name)
    assert found.reason is not None
    assert found.reason.replace("\\\\", "\\") == reason.replace("\\\\", "\\")


def test_names_that_begin_in_another_folder(photos: Path) -> None:
    inside = FileNames(photos / "deep").find("a/B.png")
    assert inside.reason == f"no such file, but it exists below {photos}: --set data.root={photos}"
    (photos / "lists").mkdir()
    path = written(photos / "lists", "file,emotion\na/B.png,anger\n")
    above = FileNames(path.parent).find("a/B.png")
    assert above.reason == inside.reason


def test_the_root_of_names_can_be_given(folder: Path) -> None:
    (folder / "lists").mkdir()
    path = written(folder / "lists", rows())
    line = refused(path)
    assert "none of the 24 photos" in line
    assert f"--set data.root={folder}" in line
    assert len(load(path, root=str(folder))) == 24
    assert "data.root: there is no folder" in refused(path, root=str(folder / "nowhere"))


def test_names_in_latin_1_find_files_of_those_bytes(folder: Path) -> None:
    odd = os.fsencode(folder / "anger") + b"/\xe9.png"
    with open(odd, "wb") as file:
        gray(255).save(file, "png")
    gray(254).save(folder / "anger" / "ü.png")
    path = written(folder, (rows() + "anger/\xe9.png,anger\nanger/ü.png,anger\n").encode("latin-1"))
    table = load(path)
    assert {os.fsdecode(odd), str(folder / "anger" / "ü.png")} <= set(table.paths)
    assert table.ledger.notes == ["t.csv is not UTF-8: read as Latin-1"]


def test_the_header_alone(folder: Path) -> None:
    assert tables.header_of(written(folder, rows(";", header="File,Emotion"), "utf-16")) == (
        "File",
        "Emotion",
    )
    assert tables.header_of(written(folder, b"")) == ()
    with pytest.raises(InputError, match="is empty"):
        read_table(folder / "t.csv")


def people(folder: Path, header: str, *values: str) -> Path:
    """A table with more columns, whose values take turns."""
    lines = rows().splitlines()[1:]
    return written(
        folder, "\n".join([header, *(f"{line},{values[i % len(values)]}" for i, line in enumerate(lines))])
    )


def test_the_column_of_people_that_says_somebody_is_used(folder: Path) -> None:
    table = load(people(folder, "file,emotion,subject_id,person", ",a", ",b", ",c"))
    assert table.subjects is not None
    assert set(table.subjects.tolist()) == {"a", "b", "c"}
    assert table.ledger.columns["subject_id"] == "not used"
    assert table.ledger.notes == ["Column person says who is in a photo"]
    table = load(people(folder, "file,emotion,subject,person", *(f"p{i},q{i // 2}" for i in range(6))))
    assert "Column person was not used: if it says who is in a photo" in table.ledger.notes[0]
    table = load(people(folder, "file,emotion,subject", ""))
    assert table.subjects is None
    assert table.ledger.notes == ["Column subject is empty: no person is known"]


def test_words_for_nobody_are_nobody(folder: Path) -> None:
    table = load(people(folder, "file,emotion,subject", "NA", "nan", "None", "unknown", "-", "p"))
    assert table.subjects is not None
    assert {name for name in table.subjects.tolist() if not name.startswith("photo ")} == {"NA", "p"}
    assert table.ledger.notes == ["16 rows name no person: each of these photos counts as a separate person"]


@pytest.mark.parametrize(
    "header", ["Image name,Emotion", "file name,Class name", "Image Name , Emotion Label"]
)
def test_columns_in_use_are_not_taken_for_people(folder: Path, header: str) -> None:
    assert load(written(folder, rows(header=header))).ledger.notes == []


@pytest.mark.parametrize(
    ("columns", "values", "why"),
    [("split", "train test", "2 in two parts of the split"), ("subject", "p q", "2 under two people")],
)
def test_rows_that_do_not_agree_on_a_photo_are_set_aside(
    folder: Path, columns: str, values: str, why: str
) -> None:
    one, two = values.split()
    more = f"anger/00.png,anger,{one}\nanger/00.png,anger,{two}\n"
    content = rows(header=f"file,emotion,{columns}").replace("anger/00.png,anger\n", "") + more
    table = load(written(folder, content))
    assert table.ledger.line() == f"Photos: 23 used; 2 set aside ({why})"


def test_values_that_are_no_parts_are_named(folder: Path) -> None:
    table = load(people(folder, "file,emotion,split", "Trian", "0", "test"))
    assert table.ledger.notes == ["Column split: 0, Trian is no part of a split"]


def test_of_two_columns_of_files_the_one_whose_files_are_there(folder: Path) -> None:
    lines = [f"{i},{i:02d}.png,{e}/{i:02d}.png,{e}" for e in PAIR for i in range(12)]
    table = load(written(folder, "\n".join(["id,file,path,emotion", *lines])))
    assert table.ledger.columns == {
        "id": "not used",
        "file": "not used",
        "path": "file",
        "emotion": "emotion",
    }


def test_nothing_left_says_why(folder: Path) -> None:
    content = "file,emotion\n" + "anger/00.png,anger,more\n" * 3
    line = refused(written(folder, content))
    assert "found: nothing with a label; " in line
    assert "of the rows, 3 are in rows with too many fields" in line


def test_a_swallowed_row_has_its_reason(folder: Path) -> None:
    content = rows() + '"anger/00.png\nanger/01.png",anger\n'
    table = load(written(folder, content))
    assert table.ledger.line().endswith(
        "1 set aside (1 with a line break, as after an unclosed quotation mark)"
    )


def test_what_is_to_be_typed_can_be_typed(tmp_path: Path) -> None:
    root = tmp_path / "my faces (new)"
    (root / "lists").mkdir(parents=True)
    for e in PAIR:
        (root / e).mkdir()
        for i in range(12):
            gray(20 * i + PAIR.index(e)).save(root / e / f"{i:02d}.png")
    path = written(root / "lists", rows())
    line = refused(path)
    found = shlex.split(line[line.index("--set") :].split(");")[0])
    assert found == ["--set", f"data.root={root}"]
    (root / "alone").mkdir()
    path = written(root / "alone", "file,emotion\n../anger/00.png,anger\n")
    line = refused(path.parent)
    assert shlex.split(line[line.index("--data") :]) == ["--data", str(path)]


def test_the_root_is_absolute_in_the_configuration(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert load_experiment("quickstart", settings=["data.root=a/b"])[1].data.root == str(tmp_path / "a" / "b")


@pytest.mark.parametrize("name", ["anger/00.jpg", "anger/00", "/anger/00.png", "Anger/00.JPEG"])
def test_other_endings_and_roots_are_shown(folder: Path, name: str) -> None:
    found = FileNames(folder).find(name)
    assert 'there is "anger/00.png"' in str(found.reason)


@pytest.mark.parametrize(
    ("header", "read", "left"),
    [("file,emotion,label", "emotion", "label"), ("file,emotion,emotion", "emotion", "emotion")],
)
def test_a_second_column_of_its_kind_is_mentioned(folder: Path, header: str, read: str, left: str) -> None:
    table = load(people(folder, header, "sad"))
    said = f"Column {read} was read for emotions, and {left} was not used"
    assert table.ledger.notes == [said]
    line = refused(people(folder, "file,label,emotion", "sad"))
    assert "found: sad" in line
    assert "Column emotion was read for emotions, and label was not used" in line


def test_names_that_begin_two_folders_below(folder: Path) -> None:
    path = written(folder.parent, rows().replace("anger/", "").replace("fear/", ""))
    (folder.parent / "b").mkdir()
    folder.rename(folder.parent / "b" / "img")
    line = refused(path)
    assert f"it exists below {folder.parent}/b/img" not in line  # the names lack their folders
    path = written(folder.parent, rows())
    assert f"--set data.root={folder.parent}/b/img" in refused(path)


def test_parts_that_are_not_understood_are_named_where_they_are_wanted(folder: Path) -> None:
    line = refused(people(folder, "file,emotion,split", "fold1"), split="given")
    assert "come with no parts (Column split: fold1 is no part of a split): it needs train and test" in line
    assert line.endswith("let fedfer split: --set 'data.split=[0.6, 0.2, 0.2]'")


def test_a_number_that_was_forgotten_is_asked_for(folder: Path) -> None:
    numbered = rows().replace(",anger", ",0").replace(",fear", ",1")
    line = refused(written(folder, numbered), names={"0": "anger"})
    assert """--set 'data.names={"0" = "anger", "1" = "..."}'""" in line
