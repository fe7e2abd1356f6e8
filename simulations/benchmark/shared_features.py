"""The features of all folds at once: each view is encoded once, however many folds and arms have it.

Folds divide the same photos differently, so their matrices are rows of one matrix. What the runs then find
in the cache is the same, bit for bit, as what they would compute.
"""

from collections.abc import Sequence

from fer_models import features
from fer_models.data.augment import union
from fer_models.data.images import ImageTable
from fer_models.errors import InputError
from simulations.benchmark.request import BenchmarkRequest, Cell
from simulations.benchmark.suite import Arm
from simulations.terminal.display import Step
from simulations.world.prepare import World, world_of


def compute(request: BenchmarkRequest, tables: Sequence[ImageTable], step: Step) -> None:
    """Fills the cache for every arm and fold; `tables`: the photos with the split of each fold."""
    groups: dict[tuple[str, int], list[World]] = {}
    for arm in request.suite.arms:
        try:
            worlds = _worlds(request, arm, tables)
        except InputError:  # the arm's runs fail for the same reason, and are shown as failed
            continue
        for world in worlds:
            if world.encoder is not None and world.seen is None:
                groups.setdefault((world.encoder.key, world.size), []).append(world)
    for worlds in groups.values():
        _fill(worlds, step)


def _fill(worlds: Sequence[World], step: Step) -> None:
    first = worlds[0]
    encoder, size, seed = first.encoder, first.size, first.config.run.split
    assert encoder is not None
    whole = union([world.every_view for world in worlds])
    matrix = features.extract(first.table, whole, encoder, size, seed=seed, progress=step)
    for world in worlds:
        views = world.every_view
        features.derive(world.table, views, encoder, size, seed=seed, among=whole, matrix=matrix)


def _worlds(request: BenchmarkRequest, arm: Arm, tables: Sequence[ImageTable]) -> list[World]:
    seed = request.suite.seed
    configs = [request.config_of(Cell(arm.name, fold, seed, seed)) for fold in range(request.suite.folds)]
    return [
        world_of(config, table, phones=arm.kind == "federated")
        for config, table in zip(configs, tables, strict=True)
    ]
