"""The terminal display: calm on a terminal, plain elsewhere, silent when quiet, clean however a run ends."""

import io
import re
import threading
import time
from dataclasses import fields, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from support_fake_runs import make_full_run

from fer_models.run_folder.quality import PersonalHeadQuality, Quality
from fer_models.run_folder.summary import Summary
from simulations.report import results
from simulations.terminal.display import Display
from simulations.terminal.progress import Stage

HIDE, SHOW = "\x1b[?25l", "\x1b[?25h"
FACTS = {"loss": "1.234", "accuracy": "0.612", "macro-F1": "0.441", "phones/s": "23,400"}


class Clock:
    """Seconds that pass when told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def a_console(*, terminal: bool, width: int = 100, **more: Any) -> Console:
    return Console(file=io.StringIO(), force_terminal=terminal, width=width, height=30, _environ={}, **more)


def written(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def without_codes(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)


def live_area(display: Display, width: int) -> list[str]:
    """The lines of the live area as they would be drawn now."""
    console = a_console(terminal=True, width=width)
    console.print(display)
    return without_codes(written(console)).splitlines()


@pytest.fixture
def summaries(tmp_path: Path) -> tuple[Summary, list[tuple[str, Summary]], Path]:
    folder = make_full_run(tmp_path / "run")
    run, matched, central = (
        Summary.read(folder / name) for name in ("", "centralized-matched", "centralized")
    )
    page = folder / "report.html"
    page.write_text("")
    return run, [("centralized, 10 epochs", central), ("centralized, matched (50 epochs)", matched)], page


@pytest.mark.parametrize("width", [60, 120])
@pytest.mark.parametrize("plain", [False, True])
def test_the_stage_that_runs_is_aligned_and_fits(width: int, plain: bool) -> None:
    clock = Clock()
    display = Display(console=a_console(terminal=True, width=width, no_color=plain), clock=clock)
    ends = set()
    for name in ("Features", "Federated training", "Baseline centralized, matched, 50 epochs"):
        with display.stage(name, unit="rounds") as step:
            for done in range(4):
                step(done, 50, **FACTS)
                clock.now += 1
            first, second, third = live_area(display, width)
            assert first[0] in "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
            assert name[:18] in first
            assert " 3/50" in first
            assert first.endswith("0:46 left")  # 47 rounds at a second each, and the second since the last
            assert second.startswith("  loss 1.234 ")
            assert third == ""
            assert ("  accuracy" in second) == (width == 120)  # closer together where there is little room
            assert second.split() == [word for fact in FACTS.items() for word in fact]
            assert max(len(first), len(second)) < width
            ends.add(len(first))
    assert len(ends) == 1
    assert live_area(display, width) == []


def test_in_a_very_narrow_terminal_the_name_gives_way() -> None:
    clock = Clock()
    display = Display(console=a_console(terminal=True, width=34), clock=clock)
    with display.stage("Federated training", unit="rounds") as step:
        clock.now += 5
        step(3, 50, **FACTS)
        first, second, _ = live_area(display, 34)
    assert first[2:] == "Federated…    " + " 3/50" + "0:05".rjust(12)
    assert second.rstrip() == "  loss 1.234 accuracy 0.612"


def test_without_a_total_there_is_no_bar_and_no_guess() -> None:
    clock = Clock()
    display = Display(console=a_console(terminal=True), clock=clock)
    with display.stage("Photos", unit="photos") as step:
        clock.now += 65
        assert live_area(display, 100)[0].split()[1:] == ["Photos", "1:05"]
        step(1234, 0)
        assert live_area(display, 100)[0].split()[1:] == ["Photos", "1,234", "photos", "1:05"]


@pytest.mark.parametrize("width", [60, 120])
def test_finished_stages_stay_as_one_line_each(width: int) -> None:
    clock = Clock()
    console = a_console(terminal=True, width=width)
    with Display(console=console, clock=clock) as display:
        with display.stage("Features", unit="views") as step:
            step(0, 6440)
            clock.now += 12.34
            step(6440, 6440)
        display.note("left out 3 photos that cannot be read: unreadable.csv")
        with display.stage("Report", unit="pages") as step:
            step(1, 1)
    text = without_codes(written(console))
    assert re.search(r"✓ Features +6,440 views +12\.3 s\n", text)
    assert re.search(r"✓ Report +1 page +0\.0 s\n", text)
    assert "  left out 3 photos that cannot be read: unreadable.csv" in text
    assert max(map(len, re.split(r"[\r\n]", text))) < width
    assert written(console).rfind(SHOW) > written(console).rfind(HIDE) >= 0


def failing(display: Display, stop: type[BaseException]) -> None:
    with display, display.stage("Features", unit="views") as step:
        step(640, 6440)
        raise stop


@pytest.mark.parametrize("stop", [KeyboardInterrupt, ValueError])
def test_a_stage_that_fails_is_marked_and_the_terminal_left_clean(stop: type[BaseException]) -> None:
    console = a_console(terminal=True)
    display, threads = Display(console=console), threading.active_count()
    with pytest.raises(stop):
        failing(display, stop)
    assert re.search(r"✗ Features +640/6,440 views", without_codes(written(console)))
    assert written(console).rstrip().endswith(f"\n\r\x1b[2K{SHOW}")
    assert live_area(display, 100) == []
    deadline = time.monotonic() + 5
    while threading.active_count() > threads and time.monotonic() < deadline:
        time.sleep(0.01)
    assert threading.active_count() <= threads  # one of an earlier test may have ended meanwhile


def test_plain_lines_have_no_control_characters_and_are_few() -> None:
    clock = Clock()
    console = a_console(terminal=False, width=40)
    with Display(console=console, clock=clock) as display:
        with display.stage("Federated training", unit="rounds") as step:
            for done in range(1001):
                step(done, 1000, **FACTS)
                clock.now += 1
        display.note("a name with \x1b[31m and \n in it")
    lines = written(console).splitlines()
    assert lines[0] == "Federated training: started"
    assert lines[1].startswith("Federated training: 100/1,000 rounds, loss 1.234, accuracy 0.612, ")
    assert lines[1].endswith(", phones/s 23,400, 15:00 left")
    assert [line.split()[2] for line in lines[1:10]] == [f"{100 * i}/1,000" for i in range(1, 10)]
    assert lines[10] == "Federated training: done, 1,000 rounds, 16 min 41 s"
    assert lines[11] == "a name with ?[31m and ? in it"
    assert len(lines) == 12
    assert all(char.isprintable() for line in lines for char in line)


@pytest.mark.parametrize(("pace", "total"), [(0.001, 5000), (0.01, 0), (60, 20), (30, 0)])
def test_plain_lines_are_few_at_any_pace(pace: float, total: int) -> None:
    clock, lines = Clock(), list[tuple[float, str]]()
    stage = Stage("Photos", "photos", clock=clock, log=lambda line: lines.append((clock.now, line)))
    for done in range(5000 if total == 0 else total):
        stage(done, total)
        clock.now += pace
    assert len(lines) <= 15
    assert all(after[0] - before[0] >= 5 for before, after in pairwise(lines))
    assert bool(lines) == (pace >= 0.01)


def test_a_stage_that_fails_says_so_in_plain_lines() -> None:
    console = a_console(terminal=False)
    with pytest.raises(KeyboardInterrupt):
        failing(Display(console=console), KeyboardInterrupt)
    assert written(console).splitlines()[-1] == "Features: failed, 640/6,440 views, 0.0 s"


def test_a_dumb_terminal_gets_plain_lines() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, _environ={"TERM": "dumb"})
    with Display(console=console) as display, display.stage("Features", unit="views"):
        pass
    assert written(console) == "Features: started\nFeatures: done, 0.0 s\n"


@pytest.mark.parametrize("terminal", [False, True])
def test_quiet_prints_nothing(terminal: bool, summaries: tuple) -> None:
    console = a_console(terminal=terminal)
    with Display(quiet=True, console=console) as display, display.stage("Features", unit="views") as step:
        step(1, 2, loss="1")
        display.note("three photos are broken")
    display.results(*summaries)
    assert written(console) == ""


def test_no_colour_where_none_is_wanted() -> None:
    console = a_console(terminal=True, no_color=True)
    with Display(console=console) as display, display.stage("Features", unit="views") as step:
        step(1, 2, loss="1")
        display.note("three photos are broken")
    codes = {code for each in re.findall(r"\x1b\[([0-9;]*)m", written(console)) for code in each.split(";")}
    assert codes <= {"", "0", "1", "2"}  # bold and dim only


def test_where_there_is_no_unicode() -> None:
    file = io.TextIOWrapper(io.BytesIO(), encoding="latin-1", write_through=True)
    console = Console(file=file, force_terminal=True, width=60, _environ={})
    with Display(console=console) as display, display.stage("Żółw" + "x" * 60, unit="views") as step:
        step(1, 2)
        display.note("a \udce9 b")
    file.buffer.seek(0)
    text = without_codes(file.buffer.read().decode("latin-1"))
    assert "+ ?ó?wxxx" in text
    assert "~  1 view" in text
    assert "a ? b" in text


def test_the_time_left_follows_the_pace_of_late() -> None:
    clock = Clock()
    stage = Stage("Federated training", "rounds", clock=clock)
    stage(0, 100)
    clock.now += 30  # start-up, and the first round
    for done in range(1, 12):
        stage(done, 100)
        if done == 1:
            assert stage.left() is None
        clock.now += 2
    assert stage.left() == pytest.approx(89 * 2 - 2)
    clock.now += 10
    assert stage.left() == pytest.approx(89 * 2 - 12)  # counts down between rounds
    for done in range(12, 50):
        stage(done, 100)
        clock.now += 4
    assert stage.left() == pytest.approx(51 * 4 - 4, rel=0.05)
    clock.now += 10_000
    assert stage.left() == 1  # late, but never less


def test_what_was_there_already_says_nothing_about_the_pace() -> None:
    clock = Clock()
    stage = Stage("Features", "views", clock=clock)
    stage(9000, 10_000)
    for done in range(9010, 9210, 10):
        clock.now += 1
        stage(done, 10_000)
    assert stage.left() == pytest.approx(80)


def test_steps_come_from_many_threads() -> None:
    console = a_console(terminal=True)
    with Display(console=console) as display, display.stage("Federated training", unit="rounds") as step:

        def train() -> None:
            for i in range(5001):
                step(i, 5000, loss=str(i))

        threads = [threading.Thread(target=train) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert re.search(r"✓ Federated training +5,000 rounds", without_codes(written(console)))


@pytest.mark.parametrize(("terminal", "width"), [(False, 80), (True, 60), (True, 120)])
def test_results_name_the_baseline_of_each_difference(terminal: bool, width: int, summaries: tuple) -> None:
    run, baselines, page = summaries
    console = a_console(terminal=terminal, width=width)
    Display(console=console).results(run, baselines, page)
    text = without_codes(written(console))
    table, *compared = text.split("Federated minus ")
    numbers = [[f"{100 * each.accuracy:.1f}%" for each in (run, *(other for _, other in baselines))]]
    numbers += [["50", "rounds", "10", "epochs", "50", "epochs"], ["250,000", "50,000", "250,000"]]
    behind = [each.across_phones.accuracy.worst_tenth for each in (run, *(b for _, b in baselines))]
    numbers += [[f"{100 * each:.1f}%" for each in behind]]
    for label, row in zip(("accuracy", "trained for", "views seen", "worst tenth"), numbers, strict=True):
        assert f"{label} {' '.join(row)}" in re.sub(" +", " ", table)
    gaps = [results.differences(*pair)[0] for pair in pairs(page.parent)]
    for (name, _), words, gap in zip(baselines, compared, gaps, strict=True):
        lines = words.splitlines()
        assert lines[0].rstrip() == name
        assert f"{100 * gap['accuracy'].value:+.1f} points".replace("-", "−") in lines[1]
        assert lines[1].rstrip().endswith(f"sign {'holds' if gap['accuracy'].holds else 'open'}")
        assert f"{gap['macro_f1'].low:+.3f} to {gap['macro_f1'].high:+.3f}".replace("-", "−") in lines[2]
    assert {gap["accuracy"].holds for gap in gaps} == {True, False}
    assert "would not change a sign that holds" in text
    assert "noise" not in text
    assert text.endswith(f"\nOpen {page}\n")  # whole, however long, to be copied
    assert max(len(line) for line in text.splitlines()[:-1]) < width


@pytest.mark.parametrize(("few", "said"), [(0, False), (3, True)])
def test_phones_with_too_few_photos_are_told(few: int, said: bool, summaries: tuple) -> None:
    run, _, _ = summaries
    phones = run.across_phones.phones
    console = a_console(terminal=True, width=80)
    across = replace(run.across_phones, ranked=phones - few)
    Display(console=console).results(replace(run, across_phones=across), [], None)
    line = f"worst tenth: excludes {few} of {phones} phones, which have fewer than 5 test photos"
    assert (line in without_codes(written(console))) == said


def test_where_no_phone_has_enough_photos_there_is_no_worst_tenth(summaries: tuple) -> None:
    run, _, _ = summaries
    console = a_console(terminal=True, width=80)
    nothing = replace(run.across_phones.accuracy, worst_tenth=None)
    across = replace(run.across_phones, ranked=0, accuracy=nothing)
    Display(console=console).results(replace(run, across_phones=across), [], None)
    assert re.search(r"\n *worst tenth +\n", without_codes(written(console)))


def pairs(folder: Path) -> list[tuple[results.Run, results.Run]]:
    run, matched, central = results.read_all(folder)
    return [(run, central), (run, matched)]


def test_without_the_files_of_the_run_differences_come_from_the_confusion_matrices(summaries: tuple) -> None:
    run, baselines, _ = summaries
    console = a_console(terminal=False)
    Display(console=console).results(run, baselines, None)
    assert len(re.findall(r"sign (?:holds|open)\n", written(console))) == 4
    assert "over the test photos of this run" in written(console)
    assert "Open" not in written(console)


def test_own_heads_have_a_line_where_there_are_any(summaries: tuple) -> None:
    run, baselines, _ = summaries
    quality = {field.name: getattr(run, field.name) for field in fields(Quality)} | {"accuracy": 0.1234}
    own = replace(run, own_heads=PersonalHeadQuality(**quality, across_phones=run.across_phones))
    console = a_console(terminal=False)
    Display(console=console).results(own, baselines, None)
    assert re.search(r"own heads +12\.3%\n", re.sub(" +\n", "\n", written(console)))
    Display(console=console).results(replace(own, kind="local"), [], None)  # all of it is of own heads
    Display(console=console).results(run, [], None)
    assert written(console).count("own heads") == 1


def test_a_baseline_alone_is_compared_with_nothing(summaries: tuple, monkeypatch: pytest.MonkeyPatch) -> None:
    _, [(_, central), _], page = summaries
    monkeypatch.chdir(page.parents[1])
    console = a_console(terminal=False)
    Display(console=console).results(central, [], page)
    assert written(console).split()[0] == "centralized"
    assert "minus" not in written(console)
    assert written(console).endswith("\nOpen run/report.html\n")
