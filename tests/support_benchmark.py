"""A finished benchmark with drawn numbers: run folders as `fedfer benchmark` leaves them."""

from pathlib import Path

from support_fake_runs import make_run

from simulations.benchmark.request import BenchmarkRequest, ask
from simulations.benchmark.search import Search, Tried

SUITE = """
about = "Drawn numbers."
reference = "central"
folds = 3
search.rates = [{ train.lr = 0.01 }, { train.lr = 0.1 }]
[[arms]]
name = "central"
kind = "central"
[[arms]]
name = "good"
about = "as good as central"
tune = "rates"
[[arms]]
name = "bad"
[[steps]]
name = "averaging"
before = "central"
after = "good"
[[steps]]
name = "damage"
before = "good"
after = "bad"
"""
SKILLS = {"central": 0.7, "good": 0.7, "bad": 0.1}


def requested(folder: Path, text: str = SUITE, seeds: int | None = None) -> BenchmarkRequest:
    """The request of a suite; writes it beside the folder."""
    path = folder.with_suffix(".toml")
    path.write_text(text)
    return ask(str(path), data=None, settings=(), seeds=seeds, folder=folder, command="fedfer benchmark mine")


def finished(
    folder: Path, text: str = SUITE, seeds: int | None = None, photos: int = 240
) -> BenchmarkRequest:
    """A benchmark in `folder` whose runs are all done; arms are right about as often as SKILLS."""
    request = requested(folder, text, seeds)
    folder.mkdir(parents=True)
    request.begin()
    for arm in request.suite.arms:
        for fold in range(request.suite.folds):
            for cell in request.cells(arm, fold):
                make_run(
                    request.place_of(cell),
                    kind="centralized" if arm.kind == "central" else "federated",
                    skill=SKILLS.get(arm.name, 0.5) + 0.01 * cell.train_seed,
                    seed=fold + 1,
                    steps=6,
                    photos=photos,
                    people=True,
                    examples=False,
                    phones=10,
                )
            if arm.tune:
                tried = tuple(Tried(c, 0.5 + 0.1 * i) for i, c in enumerate(request.suite.candidates(arm)))
                Search("macro_f1", tried, len(tried) - 1).write(request.fold_folder(arm.name, fold))
    return request
