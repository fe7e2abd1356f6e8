"""Suites: the shipped ones, and what is refused, each in one line."""

import shlex
from pathlib import Path

import pytest
from support_slow import few_quick

from fer_models.errors import InputError
from simulations.benchmark.request import Cell, ask
from simulations.benchmark.suite import load, shipped

TWO = """
reference = "a"
folds = 3
search.rates = [{ train.lr = 0.01 }, { train.lr = 0.1 }]
settings.federation.phones = 7
[[arms]]
name = "a"
kind = "central"
[[arms]]
name = "b"
tune = "rates"
settings.federation.partition = "dirichlet"
"""
MANY_ARMS = {"skew", "heterogeneity", "participation", "privacy", "quick"}


def written(folder: Path, text: str) -> str:
    path = folder / "mine.toml"
    path.write_text(text)
    return str(path)


@pytest.mark.parametrize("name", few_quick(shipped(), *({*shipped()} - MANY_ARMS)))
def test_every_arm_of_a_shipped_suite_can_be_run(name: str, tmp_path: Path) -> None:
    request = ask(name, data=None, settings=(), seeds=None, folder=tmp_path / "new", command="")
    assert request.suite.arms
    assert request.suite.about
    assert not (tmp_path / "new").exists()


def test_tuned_arms_of_a_shipped_suite_have_the_same_budget() -> None:
    for name in shipped():
        suite = load(name).suite
        assert len({len(suite.candidates(arm)) for arm in suite.arms if arm.tune}) <= 1, name


def test_the_null_suite_has_at_least_100_disjoint_pairs() -> None:
    suite = load("null").suite
    assert suite.pairs * len(suite.arms) >= 100
    assert suite.every_seed == 2 * suite.pairs


def test_a_run_differs_in_arm_fold_seeds_and_candidate_alone(tmp_path: Path) -> None:
    request = ask(
        written(tmp_path, TWO), data="sketch", settings=["federation.partition=iid", "train.batch=8"],
        seeds=2, folder=tmp_path / "new", command="",
    )  # fmt: skip
    b = request.suite.arm("b")
    assert [str(cell.place) for cell in request.cells(b, 1)] == ["seed-0", "seed-1"]
    config = request.config_of(Cell("b", 1, 5, 6), request.suite.candidates(b)[1])
    assert (config.data.folds, config.data.fold) == (3, 1)
    assert (config.run.split, config.run.partition, config.run.train) == (0, 5, 6)
    assert (config.federation.partition, config.federation.phones) == (
        "dirichlet",
        7,
    )  # the arm's, the suite's
    assert (config.train.lr, config.train.batch) == (0.1, 8)
    assert request.config_of(Cell("a", 0, 0, 0)).federation.partition == "iid"  # the user's


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("[[arms]]", "[[arm]]"), "unknown key arm; did you mean arms?"),
        (('name = "b"', 'name = "a"'), 'two arms are called "a"; give each its own name'),
        (('name = "b"', 'nam = "b"'), "arms.1.name is missing; add it"),
        (('name = "b"', 'name = "b"\ncolour = "red"'), "unknown key arms.1.colour; choose one of name"),
        (('name = "b"', 'name = "B/.."'), "arms.1.name"),
        (("folds = 3", "folds = 1"), "folds: input should be greater than or equal to 2"),
        (("folds = 3", "folds = 1.5"), "folds: input should be a valid integer"),
        (('reference = "a"', 'reference = "c"'), 'reference names the arm "c", which there is not'),
        (('reference = "a"', ""), "reference is missing; name the arm that the others"),
        (('tune = "rates"', 'tune = "rate"'), 'tuned over "rate", which is no list in search; did you mean'),
        (("[{ train.lr = 0.01 }, { train.lr = 0.1 }]", "[]"), "search.rates has no candidates"),
        (("{ train.lr = 0.1 }", "{ data.balance = 5 }"), "search.rates changes data, but only train"),
        (("train.lr = 0.1", "train.lr = -1.0"), 'arm "b": train.lr must be a number above 0'),
        (('partition = "dirichlet"', 'partition = "dirichlett"'), 'arm "b": federation.partition'),
        (("phones = 7", "phone = 7"), "unknown key federation.phone; did you mean federation.phones?"),
        (('tune = "rates"', 'settings.strategy.name = "scaffold"\nsettings.train.optimizer = "adam"'),
         'arm "b": train.optimizer'),
        (('tune = "rates"', 'settings.model.name = "hog"'),
         'arm "b": model.name: "hog" is trained centrally only'),
        (("phones = 7", 'phones = 7\nsettings.data.folds = 4'),
         "settings data.folds: a benchmark sets that itself"),
        (('name = "b"', 'name = "b"\nreference = "x"'),
         'arms.reference names the arm "x", which there is not'),
        (('reference = "a"',
          'reference = "a"\nsteps = [{ name = "x", before = "a", after = "b" },'
          ' { name = "y", before = "a", after = "b" }]'),
         'steps must form a chain, but "x" ends at b and "y" begins at a'),
        (("reference", 'decompose = ["x"]\nreference'), 'decompose names the arm "x", which there is not'),
    ],
)  # fmt: skip
def test_what_cannot_be_used(tmp_path: Path, change: tuple[str, str], said: str) -> None:
    assert change[0] in TWO
    suite = written(tmp_path, TWO.replace(*change))
    with pytest.raises(InputError) as caught:
        ask(suite, data=None, settings=(), seeds=None, folder=tmp_path / "new", command="")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "new").exists()


def test_a_suite_without_arms(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"the suite has no arms; add \[\[arms\]\]"):
        load(written(tmp_path, "folds = 3"))


def test_a_suite_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match='"quik" is neither shipped nor a file; did you mean quick'):
        load("quik")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (["data.fold=1"], "--set data.fold: a benchmark sets that itself"),
        (["run.train_seed=1"], "--set run.train_seed: a benchmark sets that itself"),
        (["data.split=given"], 'data.split is "given", but a benchmark makes its own folds'),
    ],
)
def test_settings_that_a_benchmark_makes_itself(tmp_path: Path, settings: list[str], said: str) -> None:
    with pytest.raises(InputError) as caught:
        ask(
            written(tmp_path, TWO),
            data=None,
            settings=settings,
            seeds=None,
            folder=tmp_path / "x",
            command="",
        )
    assert said in str(caught.value)


def test_a_benchmark_grows_but_does_not_change(tmp_path: Path) -> None:
    suite, folder = written(tmp_path, TWO), tmp_path / "bench"

    def asked(name: str | None, **given: object) -> int:
        options: dict = {"data": None, "settings": (), "seeds": None} | given
        request = ask(name, folder=folder, command="", **options)
        folder.mkdir(exist_ok=True)
        request.begin()
        return request.suite.seeds

    assert asked(suite, settings=["train.batch=8"]) == 1
    assert asked(None) == 1  # the suite and its settings are in the folder
    assert asked(None, seeds=3) == 3
    assert asked(suite, seeds=2, settings=["train.batch=8"]) == 3  # seeds stay
    written(tmp_path, TWO + '[[arms]]\nname = "c"\n')
    assert asked(suite, settings=["train.batch=8"]) == 3
    for text, said in (
        (TWO.replace("folds = 3", "folds = 4"), "another folds"),
        (TWO.replace("lr = 0.1 ", "lr = 0.2 "), "another search"),
        ("margin = 0.05\n" + TWO, "another margin"),
        (TWO.replace('kind = "central"', ""), 'whose arm "a" is another one'),
    ):
        written(tmp_path, text + '[[arms]]\nname = "c"\n')
        with pytest.raises(InputError) as caught:
            asked(suite, settings=["train.batch=8"])
        assert said in str(caught.value), said
    with pytest.raises(InputError, match="other data or settings"):
        asked(None, settings=["train.batch=9"])


def test_other_photos_or_another_experiment_are_refused(tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text("federation.rounds = 3\n")
    suite, folder = written(tmp_path, f'experiment = "{own}"\n' + TWO), tmp_path / "bench"
    folder.mkdir()
    ask(suite, data=None, settings=(), seeds=None, folder=folder, command="typed").begin("photos")
    again = ask(None, data=None, settings=(), seeds=None, folder=folder, command="resumed")
    assert again.command == "typed"
    again.begin("photos")
    with pytest.raises(InputError, match="the photos have changed since the benchmark"):
        again.begin("other photos")
    own.write_text("federation.rounds = 4\n")
    with pytest.raises(InputError, match=r"own\.toml has changed since the benchmark"):
        ask(None, data=None, settings=(), seeds=None, folder=folder, command="").begin("photos")


def test_the_command_that_resumes(tmp_path: Path) -> None:
    folder = tmp_path / "a b"
    request = ask(written(tmp_path, TWO), data=None, settings=(), seeds=None, folder=folder, command="")
    assert shlex.split(request.how_to_go_on) == ["fedfer", "benchmark", "--out", str(folder)]


def test_a_damaged_benchmark_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "benchmark.toml").write_text("asked = 3\n")
    with pytest.raises(InputError, match=r"benchmark\.toml is damaged; restore it, or give another folder"):
        ask(None, data=None, settings=(), seeds=None, folder=tmp_path, command="")
