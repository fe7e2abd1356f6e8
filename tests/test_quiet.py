"""Nothing phones home: what a command leaves in an empty home, and whom it asks for anything."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from support_commands import FEDFER, settings
from support_slow import few_quick
from support_watch import outside, watched

from fer_models.machine import quiet
from simulations.mirrors.registry import MIRRORS

slow = pytest.mark.slow


@pytest.fixture
def home(tmp_path: Path) -> Path:
    home = tmp_path / "home"
    home.mkdir()
    return home


def alone(home: Path) -> dict[str, str]:
    """An environment that switches nothing off and names no folder but the home, and compiled code."""
    names = [*quiet.OFF, *quiet.ALONE, "FEDFER_CACHE", "XDG_CACHE_HOME", "MPLCONFIGDIR", "FLWR_HOME"]
    return {k: v for k, v in os.environ.items() if k not in names} | {"HOME": str(home)}


@slow
@pytest.mark.parametrize("engine", ["ray", "flower"])
def test_a_run_and_a_prediction_keep_to_themselves(
    home: Path, tmp_path: Path, encoders: Path, engine: str
) -> None:
    Image.new("L", (64, 64), 90).save(tmp_path / "photo.png")
    run = ["run", *settings(federation__rounds=2, federation__engine=engine), "--no-baseline", "--out", "run"]
    others = [["predict", "run", "photo.png"], ["study", "--help"]] if engine == "ray" else []
    shutil.copytree(encoders, home / ".cache" / "fedfer")
    for number, words in enumerate((run, *others)):
        trace = tmp_path / f"trace{number}"
        with (tmp_path / "said").open("w") as said:
            done = subprocess.run(
                [*watched(trace), FEDFER, *words], cwd=tmp_path, env=alone(home), stdout=said, stderr=said
            )
        assert done.returncode == 0, (tmp_path / "said").read_text()
        assert outside(trace) == []
    assert [path.name for path in home.iterdir()] == [".cache"]
    assert [path.name for path in (home / ".cache").iterdir()] == ["fedfer"]


@slow
def test_mirrors_keep_to_themselves(home: Path, tmp_path: Path, encoders: Path) -> None:
    names = [name for name in MIRRORS if MIRRORS.page(name).installed()]
    assert {"tensorboard", "mlflow"} <= set(names)
    asked = settings(
        federation__rounds=2, federation__engine="process", report__mirror=str(names).replace("'", '"')
    )
    shutil.copytree(encoders, home / ".cache" / "fedfer")
    trace, given = tmp_path / "trace", ("MLFLOW_TRACKING_URI", "TRACKIO_DIR")
    env = {name: value for name, value in alone(home).items() if name not in given}
    words = ["run", *asked, "--no-baseline", "--out", "run"]
    done = subprocess.run(
        [*watched(trace), FEDFER, *words], cwd=tmp_path, env=env, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert outside(trace) == []
    assert [path.name for path in home.iterdir()] == [".cache"]
    assert [path.name for path in (home / ".cache").iterdir()] == ["fedfer"]


@pytest.mark.parametrize("app", few_quick(["clients.app", "simulations.cli.flower"]))
def test_the_apps_switch_it_off_as_flower_imports_them(app: str) -> None:
    """Before Flower starts its Ray, and where nothing of ours began the process."""
    code = (
        f"import os, {app}; from fer_models.machine.quiet import ALONE, OFF\n"
        "print([name for name, value in (OFF | ALONE).items() if os.environ.get(name) != value])"
    )
    names = [*quiet.OFF, *quiet.ALONE]
    env = {k: v for k, v in os.environ.items() if k not in names} | {"RAY_ADDRESS": "local"}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr


def test_it_is_switched_off_whatever_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", raising=False)
    for name in quiet.OFF:
        monkeypatch.setenv(name, "1" if quiet.OFF[name] == "0" else "0")
    for address, alone in [("", False), ("127.0.0.1:6379", False), ("local", True)]:
        monkeypatch.setenv("RAY_ADDRESS", address)
        quiet.hush()
        assert {name: os.environ[name] for name in quiet.OFF} == quiet.OFF
        assert ("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER" in os.environ) == alone


def test_onnx_runtime_is_loaded_with_its_telemetry_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where a function is called and no command."""
    from fer_models.encoders import backbone

    monkeypatch.delenv("ORT_DISABLE_TELEMETRY")
    monkeypatch.setattr(backbone, "cache_dir", lambda name: pytest.fail("too late"))
    monkeypatch.setattr(backbone, "_graph_key", lambda weights, blocks: "")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ImportError):
        backbone.load(None)  # type: ignore[arg-type]
    assert os.environ["ORT_DISABLE_TELEMETRY"] == "1"
