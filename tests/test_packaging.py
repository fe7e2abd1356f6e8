"""Every source file of the four packages is installed, sent along and told apart by the fingerprints."""

import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from pathspec import GitIgnoreSpec
from support_checkout import hand_over_the_kernel
from support_commands import settings

from fer_models.machine.code import digests, with_imports

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("clients", "fer_models", "server", "simulations")
SOURCES = {
    path.relative_to(ROOT).as_posix() for package in PACKAGES for path in (ROOT / package).rglob("*.py")
}


def test_every_source_file_is_in_the_fingerprint_of_a_run() -> None:
    assert set(digests(*PACKAGES)) == SOURCES
    assert len(SOURCES) > 150


def test_every_source_file_is_in_the_bundle_of_flower() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    spec = GitIgnoreSpec.from_lines(project["tool"]["flwr"]["app"]["fab-include"])
    assert {name for name in SOURCES if not spec.match_file(name)} == set()
    assert spec.match_file("simulations/experiments/quickstart.toml")


def test_every_folder_of_sources_is_a_package() -> None:
    folders = {(ROOT / name).parent for name in SOURCES}
    assert [folder for folder in sorted(folders) if not (folder / "__init__.py").is_file()] == []


def test_every_room_stands_in_a_ladder() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    steps = " ".join(step for one in contracts if one["type"] == "layers" for step in one["layers"])
    named = set(steps.replace("|", " ").split())
    for floor in ("fer_models", "simulations", "server"):
        rooms = {f"{floor}.{path.parent.name}" for path in (ROOT / floor).glob("*/__init__.py")}
        assert rooms - named == set(), floor


def test_imports_are_followed_through_rooms_and_both_ways_to_write_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {
        "a": "from pack import b\nfrom pack.room.c import x", "b": "import os", "__init__": "",
        "room/c": "def f():\n    from pack.room import d", "room/d": "", "room/e": "", "room/__init__": "",
    }  # fmt: skip
    for name, text in files.items():
        path = tmp_path / "pack" / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    assert sorted(with_imports("pack.a")) == ["pack.a", "pack.b", "pack.room.c", "pack.room.d"]


@pytest.mark.slow
def test_the_wheel_runs_the_quickstart_from_any_folder(tmp_path: Path, run_cache: str) -> None:
    checkout = tmp_path / "checkout"  # setuptools builds where the sources lie
    for name in (*PACKAGES, "pyproject.toml", "README.md", "LICENSE"):
        checkout.mkdir(exist_ok=True)
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, checkout / name)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    build = ["wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", tmp_path / "dist", checkout]
    subprocess.run([*pip, *build], check=True, capture_output=True, timeout=200)
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    assert set(zipfile.ZipFile(wheel).namelist()) >= SOURCES
    place = tmp_path / "installed"
    install = ["install", "--no-deps", "--no-index", "--target", place, wheel]
    subprocess.run([*pip, *install], check=True, capture_output=True, timeout=200)
    (tmp_path / "elsewhere").mkdir()
    hand_over_the_kernel(place)
    there = {name: os.environ[name] for name in ("NUMBA_CACHE_DIR", "RAY_worker_niceness")}
    there |= {"PATH": "", "PYTHONPATH": str(place), "FEDFER_CACHE": run_cache}
    code = (
        "import sys, simulations; from simulations.cli.main import main;"
        f" assert simulations.__file__.startswith({str(place)!r}), simulations.__file__; main()"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", code, "run", *settings(federation__rounds=2), "--out", "run"],
        cwd=tmp_path / "elsewhere", env=there, capture_output=True, text=True, timeout=280,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, ""), done
    assert (tmp_path / "elsewhere" / "run" / "report.html").is_file()
