"""Run folders side by side: the list of `fedfer runs`, and the pages of `fedfer report`."""

import fcntl
import io
import json
import os
import re
import shutil
import threading
from pathlib import Path

import pytest
import tomli_w
from rich.console import Console
from support_commands import Here
from support_fake_runs import make_full_run, make_run
from support_pages import NASTY, Page

from fer_models.run_folder.environment import Environment
from fer_models.run_folder.summary import Summary
from simulations import api
from simulations.comparison import compared, table
from simulations.comparison.compared import gather, settings_that_differ
from simulations.comparison.page import write_comparison
from simulations.experiment import read_toml
from simulations.run.request import in_use, locked


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> Here:
    return Here(tmp_path, monkeypatch, capsys)


def begun(folder: Path, date: str) -> Path:
    """The same run, started at another time."""
    values = json.loads((folder / Environment.FILE).read_text())
    (folder / Environment.FILE).write_text(json.dumps(values | {"date": date}))
    return folder


def stopped(folder: Path, lines: int) -> Path:
    """The same run, stopped in round `lines` + 1."""
    (folder / Summary.FILE).unlink()
    kept = (folder / "rounds.jsonl").read_bytes().splitlines(keepends=True)[:lines]
    (folder / "rounds.jsonl").write_bytes(b"".join(kept) + b'{"format": 1, "round"')
    return folder


def several(root: Path) -> list[Path]:
    """Three runs on the same photos of known people: a federated one, its baseline, a better one."""
    same = {"people": True, "photos": 500, "examples": False}
    first = make_run(root / "a", skill=0.5, **same)
    central = make_run(first / "centralized", kind="centralized", skill=0.6, steps=10, **same)
    return [first, central, make_run(root / "b", skill=0.7, command="fedfer run <other>", **same)]


def change(folder: Path, section: str, key: str, value: object) -> None:
    raw = read_toml(folder / "config.toml")
    raw[section][key] = value
    (folder / "config.toml").write_text(tomli_w.dumps(raw))


def test_runs_are_listed_newest_first_with_their_states(tmp_path: Path) -> None:
    begun(make_full_run(tmp_path / "runs" / "old"), "2026-01-01T00:00:00+00:00")
    begun(make_run(tmp_path / "runs" / "sweep" / "iid" / "fedavg"), "2026-03-01T00:00:00+02:00")
    begun(
        stopped(make_run(tmp_path / "runs" / "half"), 12), "2026-02-28T23:00:00+00:00"
    )  # an hour later: UTC
    broken = begun(make_run(tmp_path / "runs" / "broken"), "2026-01-15T00:00:00+00:00")
    (broken / Summary.FILE).write_text("{")
    (tmp_path / "runs" / "notes").mkdir()
    (tmp_path / "runs" / "notes" / "readme.txt").write_text("no run")
    found = api.list_runs(tmp_path / "runs")
    assert [run.folder.relative_to(tmp_path / "runs").as_posix() for run in found] == [
        "half", "sweep/iid/fedavg", "broken", "old"
    ]  # fmt: skip
    half, swept, damaged, old = found
    assert (half.state, half.reached, half.words) == ("stopped", 12, "stopped at round 12")
    assert (half.strategy, half.partition, half.phones, half.accuracy) == ("fedavg", "dirichlet", 100, None)
    said = Summary.read(swept.folder)
    assert (swept.accuracy, swept.macro_f1, swept.seconds) == (said.accuracy, said.macro_f1, said.seconds)
    assert (swept.state, swept.reached, swept.phones, swept.kind) == ("finished", 50, 100, "federated")
    assert damaged.state == "damaged"
    assert damaged.words.startswith("damaged: summary.json is damaged (Invalid JSON")
    assert old.kind == "federated"


def test_a_run_in_a_locked_folder_is_running(tmp_path: Path) -> None:
    folder = stopped(make_run(tmp_path / "run"), 0)
    assert api.list_runs(folder)[0].words == "stopped before round 1"
    handle = os.open(folder, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    assert api.list_runs(folder)[0].words == "running before round 1"
    os.close(handle)
    assert api.list_runs(folder)[0].state == "stopped"


def test_a_list_that_looks_into_a_folder_does_not_keep_a_run_out_of_it(tmp_path: Path) -> None:
    """`fedfer runs` tries the lock of each unfinished folder, as a run may begin in that moment."""
    handle = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_SH)
    closing = threading.Timer(0.15, os.close, [handle])
    closing.start()
    with locked(tmp_path):
        closing.join()
        assert in_use(tmp_path)
    assert not in_use(tmp_path)


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("environment.json", "damaged: it has no environment.json"),
        ("config.toml", "damaged: config.toml cannot be read (No such file or directory)"),
    ],
)
def test_a_folder_without_one_of_its_files_is_damaged(tmp_path: Path, file: str, words: str) -> None:
    folder = stopped(make_run(tmp_path / "run"), 3)
    (folder / file).unlink()
    (run,) = api.list_runs(folder)
    assert run.words.startswith(words)
    assert run.accuracy is None


def test_settings_that_are_not_in_sections_are_damaged(tmp_path: Path) -> None:
    folder = stopped(make_run(tmp_path / "run"), 3)
    (folder / "config.toml").write_text('model = "x"')
    (run,) = api.list_runs(folder)
    assert run.words == "damaged: config.toml: model is not a section"


def test_the_list_fits_80_columns_and_a_wide_screen_has_one_line_a_run(tmp_path: Path) -> None:
    for name in ("quickstart-20260101-120000", "other"):
        make_run(tmp_path / name)
    (stopped(make_run(tmp_path / "broken"), 2) / "config.toml").write_text("x")
    found = api.list_runs(tmp_path)
    text = {}
    for width in (80, 400):
        file = io.StringIO()
        table.show(found, Console(file=file, width=width))
        text[width] = file.getvalue().splitlines()
        assert max(map(len, text[width])) <= width
    said = Summary.read(tmp_path / "other")
    numbers = f"{100 * said.accuracy:.1f}%  .*{said.macro_f1:.3f}  .*50  .*100  1 min 32 s"
    assert len([line for line in text[80] if re.search(numbers, line)]) == 2
    assert re.search(r"Strategy +Partition +Accuracy +Macro-F1 +Rounds +Phones +Time", text[80][0])
    assert len(text[400]) <= 8


def test_runs_as_json_and_folders_without_runs(here: Here) -> None:
    make_run(here.folder / "runs" / "a")
    done = here.run("runs", "--json")
    (run,) = json.loads(done.out)
    assert (done.code, run["folder"], run["state"], run["damage"]) == (0, "runs/a", "finished", None)
    assert run["started"].startswith("2026-01-0")
    assert {"kind", "strategy", "partition", "accuracy", "macro_f1", "reached", "phones", "seconds"} <= set(
        run
    )
    shutil.rmtree(here.folder / "runs" / "a")
    assert here.run("runs").out == "No runs in runs\n"
    assert here.run("runs", "--json").out == "[]\n"
    assert "there is no folder elsewhere; give one that holds runs" in here.refused("runs", "elsewhere")


@pytest.mark.slow
def test_the_page_of_one_run_is_made_anew_with_those_of_its_baselines(here: Here) -> None:
    folder = make_full_run(here.folder / "run")
    done = here.run("report", "run")
    assert (done.code, done.out) == (0, "Open run/report.html\n")
    pages = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("report.html"))
    assert pages == ["centralized-matched/report.html", "centralized/report.html", "report.html"]
    before = (folder / "report.html").read_bytes()
    (folder / "report.html").unlink()
    assert here.run("report", "run", "run/", "--quiet").out == ""
    assert (folder / "report.html").read_bytes() == before
    assert "--out names the page of several runs" in here.refused("report", "run", "--out", "x.html")


def test_the_comparison_has_every_number_that_differs(tmp_path: Path) -> None:
    folders = several(tmp_path)
    change(folders[2], "strategy", "name", "scaffold")
    change(folders[2], "train", "lr", 0.5)
    made = api.report(folders, tmp_path / "new" / "c.html")
    assert (made.page, made.skipped) == (tmp_path / "new" / "c.html", ())
    text = made.page.read_text()
    words = Page(text).words
    runs = gather(folders).runs
    assert [run.name for run in runs] == ["1 · a", "2 · a/centralized", "3 · b"]
    for run in runs:
        assert run.name in words
        assert f"{100 * run.summary.accuracy:.1f}%" in words
        assert f"{run.summary.macro_f1:.3f}" in words
        for score in run.summary.per_class.values():
            assert f"{score.f1:.2f}" in words
    assert "Of 3 runs, 3 · b classifies most test photos correctly" in words
    assert "All runs were evaluated on the same 500 test photos." in words
    assert settings_that_differ(runs) == {
        "train.lr": ["0.001", "0.001", "0.5"], "strategy.name": ['"fedavg"', '"fedavg"', '"scaffold"']
    }  # fmt: skip
    for name in ("train.lr", "strategy.name", '"scaffold"', "centralized", "fedfer run <other>"):
        assert name in words, name
    assert "data.balance" not in words


def test_differences_are_paired_on_the_same_photos(tmp_path: Path) -> None:
    folders = several(tmp_path)
    runs = gather(folders).runs
    words = Page(api.report(folders, tmp_path / "c.html").page.read_text()).words
    first, _, better = (
        {file: said[0] == said[1] for file, said in run.said.items()} for run in runs
    )  # who is right, photo by photo
    assert first.keys() == better.keys()
    points = 100 * (sum(better.values()) - sum(first.values())) / len(first)
    assert f"+{points:.1f}" in words
    assert "(bootstrap, paired by photo, people resampled with all their photos) cover" in words
    assert "Differences to 1 · a" in words


def test_runs_of_other_photos_are_refused_unless_asked_for(here: Here) -> None:
    make_run(here.folder / "a", examples=False)
    make_run(here.folder / "b", seed=1, examples=False)
    make_run(here.folder / "c", source="/photos/others", examples=False)
    line = here.refused("report", "a", "b")
    assert (
        "b and a are of different data: the photos are split otherwise (the seed of the split is 0 and 1)"
        in line
    )
    assert 'data.source is "/photos/faces" and "/photos/others"' in here.refused("report", "a", "c")
    done = here.run("report", "a", "b", "c", "--different-data")
    assert (done.code, done.out, done.err) == (0, "Open comparison.html\n", "")
    words = Page((here.folder / "comparison.html").read_text()).words
    assert "These runs are of different data." in words
    assert "Differences to" not in words
    assert "run.seed" in words


def test_people_who_differ_are_other_data(tmp_path: Path) -> None:
    """The same file names and labels, but other people on the photos."""
    folders = several(tmp_path)
    path = folders[2] / "predictions.csv"
    path.write_text(re.sub(r"p\d+$", "someone", path.read_text(), flags=re.M))
    with pytest.raises(api.InputError, match="the photos, their labels or their split differ"):
        api.report(folders)


def test_the_same_photos_in_another_place_are_the_same_data(tmp_path: Path) -> None:
    folders = several(tmp_path)
    path = folders[2] / "data.json"
    facts = json.loads(path.read_text())
    path.write_text(json.dumps(facts | {"source": "elsewhere"}))
    assert "Differences to" in Page(api.report(folders, out=tmp_path / "page.html").page.read_text()).words


def test_damaged_folders_are_named_and_skipped(here: Here) -> None:
    several(here.folder)
    bad = make_run(here.folder / "bad")
    (bad / Summary.FILE).write_text("[]")
    stopped(make_run(here.folder / "half"), 3)
    done = here.run("report", "a", "bad", "b", "half", "a")
    assert done.code == 0
    first, second = done.err.splitlines()
    assert first.startswith("fedfer: skipped: bad/summary.json is damaged")
    assert second.startswith("fedfer: skipped: half is not the folder of a finished run")
    assert "fedfer comparison · 2 runs" in Page((here.folder / "comparison.html").read_text()).words
    (here.folder / "comparison.html").unlink()
    line = here.refused("report", "bad", "half")
    assert "bad/summary.json is damaged" in line
    assert "(and 1 more that cannot be read)" in line
    assert "there is no folder gone" in here.refused("report", "gone")
    assert "c is a folder" in here.refused("report", "a", "b", "--out", str(make_run(here.folder / "c")))
    assert "one that ends in .html" in here.refused("report", "a", "b", "--out", "page.pdf")


def test_the_comparison_is_one_file_that_fetches_nothing(tmp_path: Path) -> None:
    folders = several(tmp_path)
    for folder in folders:
        (folder / "report.html").write_text("page")
    out = tmp_path / "pages" / "c.html"
    text = api.report(folders, out).page.read_text()
    assert not re.search(r"https?://|url\(|@import|<script|<iframe| src=", text, re.IGNORECASE)
    page = Page(text)
    links = [str(attrs["href"]) for _, attrs in page.tags if "href" in attrs]
    assert [(out.parent / link).resolve() for link in links] == [f / "report.html" for f in folders]
    assert all(attrs.get("aria-label") or attrs.get("aria-hidden") for attrs in page.all("svg"))
    assert all(attrs.get("scope") for attrs in page.all("th"))
    assert write_comparison(gather(folders).runs, tmp_path / "again.html").read_text() == text.replace(
        "../", ""
    )


def test_names_and_settings_are_only_ever_text(tmp_path: Path) -> None:
    root = tmp_path / "<b>&"
    same = {"classes": NASTY, "source": '/p/<a> & "b"', "examples": False}
    folders = [make_run(root / name, skill=0.5 + i / 10, **same) for i, name in enumerate(("<i>", "ü %#"))]
    change(folders[1], "model", "weights", "/w/<eof>")
    for folder in folders:
        (folder / "report.html").write_text("page")
    text = api.report(folders, tmp_path / "c.html").page.read_text()
    assert not re.search(r"<script|<eof|<b>anger|<i>|<b>&", text)
    words = Page(text).words
    for name in (*NASTY, "1 · <i>", "2 · ü %#", '"/w/<eof>"'):
        assert name in words
    assert "%3Ci%3E/report.html" in text


@pytest.mark.slow
def test_more_runs_than_lines_get_a_figure_each(tmp_path: Path) -> None:
    same = {"photos": 200, "examples": False}
    folders = [make_run(tmp_path / f"r{i}", skill=0.4 + i / 20, **same) for i in range(compared.STYLES + 1)]
    page = Page(api.report(folders, tmp_path / "c.html").page.read_text())
    figures = [str(attrs["aria-label"]) for attrs in page.all("svg") if "aria-label" in attrs]
    assert len([one for one in figures if one.startswith("Macro-F1 over rounds")]) == compared.STYLES
    assert "beside 1 · r0 (dashed)" in page.words
    few = Page(api.report(folders[:2], tmp_path / "d.html").page.read_text())
    titles = [
        str(attrs["aria-label"]).split(" over ")[0] for attrs in few.all("svg") if "aria-label" in attrs
    ]
    assert titles[1:4] == ["Accuracy", "Macro-F1", "Training loss (cross-entropy)"]
