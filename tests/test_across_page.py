"""The section of the page across phones: numbers of the files, and chance beside them."""

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest
from support_fake_runs import make_full_run, make_run
from support_pages import NASTY, read

from simulations.report import charts
from simulations.report.across_page import by_chance
from simulations.report.page import percent

TITLE = "Across phones"


def section(folder: Path) -> str:
    """The words of the section."""
    words = read(folder)[1].words
    assert words.count(TITLE) == 1
    return words.split(TITLE)[1].split("Confusion of the test photos")[0]


def change(run: Path, **changes: object) -> dict:
    summary = json.loads((run / "summary.json").read_text()) | changes
    (run / "summary.json").write_text(json.dumps(summary))
    return summary


def test_the_numbers_of_every_run_are_there(tmp_path: Path) -> None:
    run = make_full_run(tmp_path / "run", own=0.7)
    words = section(run)
    for folder in (run, run / "centralized", run / "centralized-matched"):
        found = json.loads((folder / "summary.json").read_text())["across_phones"]
        for name in ("mean", "p10", "median", "p90", "worst", "worst_tenth"):
            assert percent(found["accuracy"][name]) + f"{found['macro_f1'][name]:.3f}" in words
    own = json.loads((run / "summary.json").read_text())["own_heads"]
    assert "Phones' own heads" in words
    assert percent(own["across_phones"]["accuracy"]["mean"]) in words
    assert f"own heads classify {percent(own['accuracy'])} of the photos correctly" in words
    with (run / "phones.csv").open() as lines:
        rows = list(csv.DictReader(lines))
    photos = np.array([int(row["photos"]) for row in rows])
    largest = sum(int(row[row["largest_class"]]) for row in rows)
    assert f"holds most of would give {percent(largest / photos.sum())}." in words
    none, some = int((photos == 0).sum()), photos[photos > 0]
    assert f"The median phone has {np.median(some):g} test photos, the largest {some.max()}" in words
    assert none
    assert f"{none} of 100 have none and are not counted" in words
    found = json.loads((run / "summary.json").read_text())["across_phones"]
    share = 100 * found["accuracy"]["variance_by_chance"] / found["accuracy"]["variance"]
    assert (
        f"chance alone explains {share:.0f}% of the variance" if share < 100 else "no more than by chance"
    ) in words
    for name, each in found["classes"].items():
        share = f"{100 * each['phones'] / found['phones']:.0f}%"
        assert f"{name}{each['phones']}{share}{percent(each['accuracy'])}" in words
    assert "Over the rounds, on validation photos" in words


def test_a_draw_of_phones_is_said_to_be_one(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    assert "a seeded sample is evaluated" not in section(run)
    change(run, phones=1_000_000)
    assert "Of all 1,000,000 phones a seeded sample is evaluated." in section(run)


def test_phones_that_differ_by_more_than_luck(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    found = json.loads((run / "summary.json").read_text())["across_phones"]
    found["accuracy"] |= {"variance": 0.09, "variance_by_chance": 0.0225}
    change(run, across_phones=found)
    assert "differ by 15.0 points: chance alone explains 25% of the variance." in section(run)
    found["accuracy"] |= {"variance": 0.02}
    change(run, across_phones=found)
    assert "would still differ by 15.0 points: phones differ no more than by chance." in section(run)


def test_the_picture_has_every_phone_with_enough_photos(tmp_path: Path) -> None:
    text, _ = read(make_run(tmp_path / "run", own=0.9, phones=40))
    figure = text.split("Accuracy of each phone")[1].split("</svg>")
    drawn = "".join(figure)
    judged = json.loads((tmp_path / "run" / "summary.json").read_text())["across_phones"]["ranked"]
    assert 0 < judged < 40
    for series in (0, 3, 4):  # the run, chance, own heads
        path = re.search(rf'<path class="line s{series}" d="([^"]*)"', drawn)
        assert path
        assert path[1].count("L") + 1 == judged


def test_how_many_phones_have_too_few_photos_to_be_ranked(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    with (run / "phones.csv").open() as lines:
        photos = np.array([int(row["photos"]) for row in csv.DictReader(lines)])
    some, few = int((photos > 0).sum()), int(((photos > 0) & (photos < 5)).sum())
    assert few
    words = section(run)
    assert f"{few} of the {some} phones with photos have fewer than 5 (evaluation.min_photos)." in words
    assert f"% of the {some - few} phones with enough photos and" in words
    everybody = section(make_run(tmp_path / "every", min_photos=1))
    assert "evaluation.min_photos" not in everybody
    assert "% of the phones and" in everybody


def test_where_no_phone_has_enough_photos_nothing_is_ranked(tmp_path: Path) -> None:
    run = make_full_run(tmp_path / "run", own=0.7, min_photos=10_000)
    words, found = section(run), json.loads((run / "summary.json").read_text())["across_phones"]
    assert found["accuracy"]["worst_tenth"] is None
    assert f"{found['phones']} of the {found['phones']} phones with photos have fewer than 10000" in words
    assert percent(found["accuracy"]["mean"]) in words
    for title in ("Accuracy of each phone", "Over the rounds, on validation photos", "of the worst tenth."):
        assert title not in words


def test_a_run_of_before_there_was_a_least_number_of_photos(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", min_photos=1)
    words, found = section(run), json.loads((run / "summary.json").read_text())["across_phones"]
    for each in (found, *found["classes"].values()):
        del each["ranked"]
    del found["min_photos"]
    change(run, across_phones=found)
    assert section(run) == words


def test_a_run_of_before_and_a_baseline_alone_have_no_such_section(tmp_path: Path) -> None:
    old = make_run(tmp_path / "old")
    summary = json.loads((old / "summary.json").read_text())
    del summary["across_phones"]
    (old / "summary.json").write_text(json.dumps(summary))
    (old / "phones.csv").unlink()
    assert TITLE not in read(old)[1].words
    assert TITLE not in read(make_run(tmp_path / "alone", kind="centralized"))[1].words


def test_a_baseline_that_was_not_judged_on_phones_is_left_out(tmp_path: Path) -> None:
    run = make_full_run(tmp_path / "run")
    change(run / "centralized", across_phones=None)
    assert "Centralized, 10 epochs" not in section(run)
    assert "Centralized, matched" in section(run)


def test_one_judged_round_has_no_curve(tmp_path: Path) -> None:
    assert "Over the rounds" not in section(make_run(tmp_path / "run", steps=1))


def test_each_phone_alone_is_said_as_such(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", own=0.8)
    change(run, kind="local")
    words = section(run)
    assert "Each phone alone" in words
    assert words.count("Phones' own heads") == 1  # no line of their own: they are what the run is judged by
    assert "Local training classifies" in read(run)[1].words


def test_class_names_are_only_ever_text(tmp_path: Path) -> None:
    words = section(make_run(tmp_path / "run", classes=NASTY, own=0.6))
    for name in NASTY:
        assert name in words


@pytest.mark.parametrize(("photos", "chance"), [([4] * 50, 0.5), ([1] * 20 + [7] * 30, 0.3), ([9], 1.0)])
def test_what_chance_gives_is_the_quantiles_of_drawn_phones(photos: list[int], chance: float) -> None:
    sizes = np.array(photos)
    drawn = np.random.default_rng(0).binomial(sizes, chance, (4000, len(sizes))) / sizes
    found = by_chance(sizes, chance)
    assert (np.diff(found) >= 0).all()
    assert found.mean() == pytest.approx(chance, abs=0.02)
    expected = np.quantile(drawn, (np.arange(len(sizes)) + 0.5) / len(sizes), method="inverted_cdf")
    assert (np.abs(found - expected) > 1e-9).mean() <= 0.04  # but where a draw of 4,000 falls beside a step


def test_between_the_edges_it_is_shaded() -> None:
    low, high = (charts.Curve(0, [1, 2], [y, y]) for y in (0.0, 1.0))
    figure = charts.curves(
        [charts.Curve(0, [1, 2], [0.5, None])], label="", percent=True, x_title="", band=(low, high)
    )
    assert '<path class="band s0" d="M193.0 186.0L344.0 186.0L344.0 30.0L193.0 30.0z"/>' in figure
