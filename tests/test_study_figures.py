"""The figures of a study: all there, with every name, the same bytes twice; MobileNetV2's shapes."""

from pathlib import Path

import pytest
from matplotlib.figure import Figure
from PIL import Image
from support_fake_runs import CLASSES, make_study
from support_slow import few_quick

from simulations.study.figures import curves as study_curves
from simulations.study.figures import files as study_figures
from simulations.study.figures.network import blocks
from simulations.study.results import Study, read

LONG = ("anger and annoyance, of any kind", "contempt", "disgust", "fear $1$", "happy_{x}", "neutral",
        "sadness", "surprise --> &")  # fmt: skip


def made(
    folder: Path, skills: dict[str, float], seeds: int, balances: tuple[int, ...] = (1000,), **more
) -> Study:
    make_study(folder, skills, balances=balances, seeds=tuple(range(seeds)), photos=200, **more)
    return read(folder, list(skills), balances, range(seeds))


@pytest.mark.slow
def test_every_figure_is_there_in_both_forms_and_its_bytes_repeat(tmp_path: Path) -> None:
    skills = {"mobilenet": 0.4, "mobilenet-tuned": 0.6, "cnn": 0.3, "hog": 0.3, "majority": 0.0}
    study = made(tmp_path / "s", skills, 2, (800,))
    paths = study_figures.draw(study, study.folder)
    named = [figure.name for shown in study_figures.figures(study).values() for figure in shown]
    assert sorted(path.name for path in paths) == sorted(
        f"{n}.{kind}" for n in named for kind in ("png", "svg")
    )
    assert named == ["overview", "imbalance", "blocks", "epochs-800", "confusion-800", "classes-800"]
    first = {path.name: path.read_bytes() for path in paths}
    assert {path.name: path.read_bytes() for path in study_figures.draw(study, study.folder)} == first
    for name in ("imbalance.svg", "confusion-800.svg", "classes-800.svg"):
        for word in CLASSES:
            assert word.encode() in first[name], (name, word)
    for name in ("overview.svg", "confusion-800.svg", "classes-800.svg"):
        for word in skills:
            assert word.encode() in first[name], (name, word)
    assert b"<!-- cnn -->" in first["epochs-800.svg"]
    assert b"<!-- hog -->" not in first["epochs-800.svg"]  # fitted in one step
    assert b"published" in first["overview.svg"]
    assert b"split of mobilenet-tuned" in first["blocks.svg"]
    for path in paths[::2]:
        with Image.open(path) as image:
            assert image.info["dpi"] == pytest.approx((160, 160), abs=0.1)
            edge = image.convert("L")
            assert edge.crop((0, 0, image.width, 2)).getextrema()[0] > 200, path.name
            assert edge.crop((image.width - 2, 0, image.width, image.height)).getextrema()[0] > 200, path.name


@pytest.mark.slow
def test_long_and_odd_names_of_eight_classes(tmp_path: Path) -> None:
    study = made(tmp_path / "s", {"mobilenet": 0.4, "ridge": 0.6}, 1, classes=LONG)
    paths = {path.name: path.read_bytes() for path in study_figures.draw(study, study.folder)}
    assert b"anger and annoyan\xe2\x80\xa6" in paths["confusion-1000.svg"]
    assert b"fear $1$" in paths["classes-1000.svg"]
    assert b"split of" not in paths["blocks.svg"]  # without mobilenet-tuned there is none


def test_models_fitted_in_one_step_have_no_figure_of_epochs(tmp_path: Path) -> None:
    study = made(tmp_path / "s", {"ridge": 0.4, "majority": 0.0}, 2)
    assert list(study_figures.figures(study)) == ["overview", "imbalance", "blocks", "confusion", "classes"]


@pytest.mark.parametrize("epochs", few_quick([1, 10], 10))
def test_curves_join_the_epochs_that_were_judged_on_one_axis(tmp_path: Path, epochs: int) -> None:
    study = made(tmp_path / "s", {"cnn": 0.4}, 2, epochs=epochs, every=4)
    judged = [epoch for epoch in range(1, epochs + 1) if epoch % 4 == 0 or epoch == epochs]
    above, below = Figure().subplots(2)
    study_curves._model(above, below, "cnn", study.of("cnn", 1000))
    assert above.get_xlim() == below.get_xlim()
    assert above.get_xlim()[0] < 1 <= epochs < above.get_xlim()[1]
    lines = [list(line.get_xdata()) for line in above.lines if line.get_linestyle() == "-"]
    assert lines == [judged] * 3  # two seeds and their mean
    assert all(line.get_marker() == "o" for line in above.lines)
    assert [list(line.get_xdata()) for line in below.lines if line.get_linestyle() == "--"] == [
        list(range(1, epochs + 1))
    ] * 3
    assert study_curves.draw_epochs(study, 1000, tmp_path)


def test_mobilenets_blocks_are_those_of_the_paper() -> None:
    lines = blocks(224, 5)
    assert sum(line.parameters for line in lines) == 2_223_872 + 1280 * 5 + 5
    assert [line.shape for line in lines if line.repeats][:-2] == [
        (112, 112, 32), (112, 112, 16), (56, 56, 24), (28, 28, 32), (14, 14, 64), (14, 14, 96), (7, 7, 160),
        (7, 7, 320), (7, 7, 1280),
    ]  # fmt: skip
    bottlenecks = [line for line in lines if line.expansion]
    assert [line.repeats for line in bottlenecks if line.repeats] == [1, 2, 3, 4, 3, 3, 1]
    assert [line.stride for line in bottlenecks if line.repeats] == [1, 2, 2, 2, 1, 2, 1]
    assert [line.expansion for line in bottlenecks] == [1] + [6] * 16
    assert [line.shape for line in blocks(64, 5)][18] == (2, 2, 1280)
