"""The page of a study: every number, nothing fetched, the same bytes, safe with any name."""

import json
import re
from pathlib import Path

import pytest
from support_fake_runs import make_study
from support_once import Once
from support_pages import NASTY, Page

from simulations.study import files as study_files
from simulations.study import page as study_page
from simulations.study import words as study_words
from simulations.study.figures import files as study_figures
from simulations.study.results import Study, read

DRAWN = {
    "svg": b'<svg xmlns="http://www.w3.org/2000/svg"></svg>',
    "png": b"",
}  # what is in them is not looked at
SKILLS = {"mobilenet": 0.43, "mobilenet-deep": 0.43, "mobilenet-tuned": 0.6, "majority": 0.0}
LEAKS = {"copies_across_parts": 1, "near_across_parts": 2, "near_pairs": 1234, "subjects_in_two_parts": 0,
         "subjects": 275, "examples": [["a/<1>.png", "b/2.png"], ["c & d", "e"]], "more": True,
         "seed": 0, "photos": 4309}  # fmt: skip


def made(
    folder: Path, skills: dict[str, float], balances: tuple[int, ...] = (1000,), seeds: int = 2, **more
) -> Study:
    make_study(folder, skills, balances=balances, seeds=tuple(range(seeds)), **more)
    study = read(folder, list(skills), balances, range(seeds))
    (folder / study_figures.FOLDER).mkdir()
    for figure in (each for kind in study_figures.figures(study).values() for each in kind):
        for ending, drawn in DRAWN.items():
            (folder / study_figures.FOLDER / f"{figure.name}.{ending}").write_bytes(drawn)
    study_files.write(study, folder)
    return study


def page_of(study: Study) -> tuple[str, Page]:
    text = study_page.write(study, study.folder).read_text(encoding="utf-8")
    return text, Page(text)


@pytest.fixture(scope="module")
def study(once: Once) -> Study:
    def make(home: Path) -> None:
        made(home / "full", SKILLS, (0, 1000))
        (home / "full" / "leakage.json").write_text(json.dumps(LEAKS))
        (home / "full" / "majority-1000-seed1" / "report.html").write_text("")

    return read(once("study-page", make) / "full", list(SKILLS), (0, 1000), range(2))


def test_every_number_is_on_the_page(study: Study) -> None:
    _, page = page_of(study)
    words = " ".join(page.words.split())
    for row in study.rows:
        assert row.model in words
        for name in ("accuracy", "balanced_accuracy"):
            assert f"{100 * row.scores[name].mean:.1f}%±{100 * row.scores[name].sd:.1f}" in words
        for name in ("macro_f1", "weighted_f1"):
            assert f"{row.scores[name].mean:.3f}±{row.scores[name].sd:.3f}" in words
    for text in (
        "MobileNetV2", "49.0%", "34 min 00 s", "48.0%", "51.0%", "1 h 00 min",
        "the numbers cannot be compared",
        "2.23M", "301M", "at balance 1,000 mobilenet-tuned scores highest", "<0.01",
        "mobilenet minus mobilenet-deep", "not decided",
        "p is adjusted for the 6 pairs (Holm)", "over test people",
        "at least 1,234 pairs, at least 2 of them across",
        "a/<1>.png and b/2.png", "c & d and e", "0 of 275",
        "balance none and 1,000", "none: no balancing",
        "used once", "best macro-F1 on the validation photos",
        "fedfer study --data /photos/faces", "torch 2.15.0",
    ):  # fmt: skip
        assert text in words, text


def test_a_small_screen_shows_the_scores_and_balances_have_one_name(study: Study) -> None:
    text, page = page_of(study)
    heads = re.findall(r'<th scope="col"[^>]*>([^<]*)</th>', text)
    assert heads[:4] == ["Model", "Balance", "Accuracy", "Macro-F1"]
    assert "Balance none" in page.words
    for other in ("not balanced", "Not balanced", "balance 0"):
        assert other not in page.words
    assert page.words.count("no balancing") == 1


def test_each_model_has_one_line_of_differences(study: Study) -> None:
    text, _ = page_of(study)
    shown = text[text.index('<dl class="lines">') :]
    shown = shown[: shown.index("</dl>")]
    assert re.findall(r"<dt><b>([^<]*)</b>", shown) == [
        model for model, _, _ in study_words.findings(study)[2].lines
    ]
    assert "not decided against all others" in shown  # two seeds are few


def test_nothing_is_fetched_and_every_link_leads_to_a_file(study: Study) -> None:
    text, page = page_of(study)
    assert not re.search(r"https?://|url\(|@import|<script|<link|<iframe", text, re.IGNORECASE)
    links = [str(attrs["href"]) for attrs in page.all("a")]
    assert all((study.folder / link).exists() for link in links)
    assert "majority-1000-seed1/report.html" in links
    assert {"study.toml", "study.csv", "study.json", "leakage.json", "figures/"} <= set(links)
    for image in page.all("img"):
        assert str(image["src"]).startswith("data:image/svg+xml;base64,")
        assert image["alt"]
    assert len(page.all("img")) == 3 + 2 * 3
    assert len(page.all("h1")) == 1
    assert all(attrs.get("scope") for attrs in page.all("th"))


def test_the_same_folder_gives_the_same_page(study: Study) -> None:
    first = study_page.write(study, study.folder).read_bytes()
    again = read(study.folder, study.models, study.balances, study.seeds)
    assert study_page.write(again, study.folder).read_bytes() == first
    assert not [path for path in study.folder.iterdir() if path.name.startswith(".")]


def test_names_are_only_ever_text(tmp_path: Path) -> None:
    study = made(
        tmp_path / "s", {"mobilenet": 0.5}, seeds=1, classes=NASTY, source='/p/<a> & "b"', photos=200
    )
    text, page = page_of(study)
    assert not re.search(r"<script|<b>anger|<a> &", text)
    for name in NASTY:
        assert name in page.words
    assert '/p/<a> & "b"' in page.words


def test_one_model_of_one_seed_has_no_differences_and_no_spread(tmp_path: Path) -> None:
    """Of drawn faces, which are called so, as long as leakage is not known and then that there is none."""
    study = made(tmp_path / "s", {"ridge": 0.5}, seeds=1, photos=200, source="sketch")
    assert not list((tmp_path / "s" / "figures").glob("epochs*"))
    _, page = page_of(study)
    assert re.search(
        r"On the test photos at balance 1,000 ridge has .*, \d\d\.\d% classified correctly\.", page.words
    )
    for word in ("±", "minus", "Leakage", "epoch by epoch", "1 seeds", "1 models", "seeds together"):
        assert word not in page.words, word
    assert "These faces are drawings, not photos." in page.words
    (study.folder / "leakage.json").write_text(
        json.dumps(dict.fromkeys(LEAKS, 0) | {"examples": [], "more": False, "subjects": None})
    )
    _, page = page_of(study)
    assert "These faces are drawings, not photos." in page.words
    assert "No leak between the parts was found." in page.words
