"""What a study is asked for: names and numbers that cannot be used, and folders that hold other things."""

from pathlib import Path

import pytest

from fer_models.errors import InputError
from fer_models.models import MODELS
from simulations.study.request import BALANCES, StudyRequest, ask


def asked(folder: Path, *settings: str, **given: object) -> StudyRequest:
    options: dict = {"data": None, "models": None, "balances": None, "seeds": None} | given
    return ask(settings=settings, folder=folder, command="fedfer study", **options)


def refused(folder: Path, *settings: str, **given: object) -> str:
    with pytest.raises(InputError) as caught:
        asked(folder, *settings, **given)
    assert not folder.exists() or folder.name == "there"
    return str(caught.value)


def test_everything_is_asked_for_by_default(tmp_path: Path) -> None:
    study = asked(tmp_path / "new")
    assert study.models == tuple(MODELS)
    assert (study.balances, study.seeds) == (BALANCES, 1)
    assert study.config.evaluation.select == "best"
    assert len(study.runs) == len(MODELS) * 4
    assert not study.folder.exists()


def test_what_is_asked_for_is_every_combination_once(tmp_path: Path) -> None:
    study = asked(tmp_path, "run.seed=5", models="cnn, ridge,cnn", balances="0,40,0", seeds=2)
    assert study.runs == [
        (seed, model, balance) for seed in (5, 6) for model in ("cnn", "ridge") for balance in (0, 40)
    ]
    config = study.config_of("ridge", 40, 6)
    assert (config.model.name, config.data.balance, config.run.seed) == ("ridge", 40, 6)
    assert study.place_of("ridge", 40, 6) == tmp_path / "ridge-40-seed6"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"models": "mobilnet"}, '--models: there is no model "mobilnet"; did you mean mobilenet?'),
        ({"models": "cnn,"}, '--models: there is no model ""; choose one of mobilenet, mobilenet-deep'),
        (
            {"balances": "many"},
            '--balances takes whole numbers from 0 to 1000000, separated by commas, got "many"',
        ),
        ({"balances": "-1"}, 'got "-1"'),
        ({"balances": "2000000"}, 'got "2000000"'),
        ({"balances": ""}, 'got ""'),
        ({"balances": "9" * 5000}, 'got "99999999999999999999"'),
    ],
)
def test_names_and_numbers_that_cannot_be_used(tmp_path: Path, given: dict, said: str) -> None:
    assert said in refused(tmp_path / "new", **given)


def test_seeds_beyond_the_last_are_refused(tmp_path: Path) -> None:
    assert "on leaves the range" in refused(tmp_path / "new", f"run.seed={2**63 - 1}", seeds=2)


def test_seeds_that_would_all_be_the_same_are_refused(tmp_path: Path) -> None:
    both = ("run.split_seed=0", "run.train_seed=3")
    assert refused(tmp_path / "new", *both, seeds=2).startswith(
        "run.split_seed and run.train_seed: with both"
    )
    assert asked(tmp_path / "new", *both).seeds == 1
    for one in both:  # as in a study of one split, or of one start
        study = asked(tmp_path / "new", one, "run.partition_seed=1", seeds=2)
        runs = [study.config_of("cnn", 0, seed).run for seed in study.every_seed]
        assert (runs[0].split, runs[0].train) != (runs[1].split, runs[1].train)


@pytest.mark.parametrize("key", ["model.name=cnn", "data.balance=5", "evaluation.select=last"])
def test_what_a_study_sets_itself_cannot_be_set(tmp_path: Path, key: str) -> None:
    assert refused(tmp_path / "new", key).startswith(f"--set {key}: a study sets that itself; ")


def test_a_folder_of_other_things_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "there"
    folder.mkdir()
    (folder / "thesis.txt").write_text("years of work")
    assert "is in use" in refused(folder)


def test_a_study_goes_on_with_what_it_was_asked_for(tmp_path: Path) -> None:
    folder = tmp_path / "there"
    folder.mkdir()
    first = asked(folder, "train.lr=0.01", models="cnn,majority", balances="7", seeds=3)
    first.begin()
    assert asked(folder) == first
    more = asked(folder, models="ridge", seeds=2)
    assert (more.models, more.balances, more.seeds) == (("cnn", "majority", "ridge"), (7,), 3)
    more.begin()
    assert asked(folder) == more


def test_other_settings_than_those_of_the_study_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "there"
    folder.mkdir()
    asked(folder, "train.lr=0.01").begin()
    with pytest.raises(
        InputError, match=r"was started with train\.lr = 0\.01, now it is 0\.02; give another"
    ):
        asked(folder, "train.lr=0.02").begin()
    with pytest.raises(InputError, match=r'was started with data\.source = "sketch", now it is "'):
        asked(folder, "train.lr=0.01", data=str(tmp_path)).begin()
    assert asked(folder).config.train.lr == 0.01
