"""Rounds with secure aggregation through both apps: the bits of plain sums, drop-outs, repeats, refusals."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support_reference import make_shards
from support_rounds import SIZES, Recorder, head_bytes, run

from fer_models.errors import RunError
from fer_models.local.phone_rows import PhoneRows
from fer_models.local.registry import UpdateConfig
from fer_models.updates import written
from server.config import StrategyConfig
from server.mechanisms.secagg import SecAggConfig

MASKED = SecAggConfig(protocol="secagg+")


@pytest.fixture
def shards(tmp_path: Path) -> PhoneRows:
    made = make_shards(SIZES)
    np.save(tmp_path / "features.npy", made.features)
    made.save(tmp_path, tmp_path / "features.npy")
    return made


def told(recorder: Recorder) -> list[object]:
    """What rounds tell, but for their time and bytes, and what secure aggregation measures."""
    found = []
    for record in recorder.records:
        metrics = {name: value for name, value in record.metrics.items() if not name.startswith("secagg_")}
        found.append(
            replace(record, seconds=0.0, wire_bytes=0, bytes_up=0, bytes_down=0, metrics=metrics)
        )
    return found


@pytest.mark.parametrize("protocol", ["sum", "secagg+"])
@pytest.mark.parametrize("group", [1000, 5])
def test_the_head_is_the_same_bytes_as_without(
    tmp_path: Path, shards: PhoneRows, protocol: str, group: int
) -> None:
    plain = run(tmp_path, shards)
    settings = SecAggConfig(protocol=protocol, group=group)
    for nodes, block, grid_seed, broken in ((1, 10, 0, ()), (4, 1, 3, ()), (3, 2, 1, (0,))):
        found = run(
            tmp_path, shards, secagg=settings,
            nodes=nodes, block=block, grid_seed=grid_seed, broken=broken,
        )  # fmt: skip
        assert head_bytes(found) == head_bytes(plain)
        assert told(found) == told(plain)
