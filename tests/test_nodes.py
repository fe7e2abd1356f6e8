"""Where one stands does not matter to nodes, and what keeps one from starting is said before any feature."""

import sys
from pathlib import Path

import pytest
from support_checkout import other_checkout
from support_commands import Running, fresh_fedfer, settings
from support_flower_net import CHECKOUT
from support_traps import lay_traps

from fer_models.errors import InputError, RunError, first_cause
from fer_models.machine.code import digests
from server.exchange import reason
from simulations.engines.standing import environment, nowhere

slow = pytest.mark.slow
SHORT = [*settings(federation__rounds=2), "--no-baseline"]


@slow
def test_a_run_from_a_folder_that_holds_other_modules(
    short_run: Path, tmp_path: Path, run_cache: str
) -> None:
    """In one process; on Ray and on Flower's runtime: test_run.py, where two such run at once."""
    words = [*SHORT, "--set", "federation.engine=process", "--out", tmp_path / "run"]
    done = fresh_fedfer("run", *words, cwd=lay_traps(tmp_path / "traps"), FEDFER_CACHE=run_cache)
    assert (done.code, done.err) == (0, "")
    heads = [(run / "head.safetensors").read_bytes() for run in (tmp_path / "run", short_run)]
    assert heads[0] == heads[1]


@slow
def test_a_sweep_from_a_folder_that_holds_other_modules(tmp_path: Path, run_cache: str) -> None:
    words = [*settings(federation__rounds=2), "--strategies", "fedavg", "--partitions", "iid", "--quiet"]
    traps = lay_traps(tmp_path / "traps")
    done = fresh_fedfer("sweep", *words, "--out", tmp_path / "sweep", cwd=traps, FEDFER_CACHE=run_cache)
    assert (done.code, done.err) == (0, "")
    assert "fedavg" in (tmp_path / "sweep" / "table.md").read_text()


@slow
def test_the_installed_program_runs_from_another_checkout(tmp_path: Path, run_cache: str) -> None:
    other = other_checkout(tmp_path / "other")
    done = fresh_fedfer("run", *SHORT, "--out", tmp_path / "run", cwd=other, FEDFER_CACHE=run_cache)
    assert (done.code, done.err) == (0, "")


@slow
def test_another_checkouts_program_is_refused_with_the_reason_before_features(tmp_path: Path) -> None:
    other, cache = other_checkout(tmp_path / "other"), tmp_path / "cache"
    code = "import sys; sys.argv[0] = 'fedfer'; from simulations.cli.main import main; main()"
    words = [sys.executable, "-c", code, "run", *SHORT, "--out", "run"]
    done = Running(words, other, {"FEDFER_CACHE": str(cache), "PYTHONPATH": ""}).wait()
    assert done.code == 1
    assert (
        f"fedfer: nodes run different code (clients/phones.py): theirs is in {CHECKOUT}, this command's in"
        f" {other}; install the same for both"
    ) in done.err
    assert not (cache / "features").exists()


@slow
@pytest.mark.parametrize(
    ("trap", "said"),
    [
        ("raise ImportError()", "a node cannot start: ImportError; its logs are in run/logs"),
        (
            "import os; os._exit(3)",
            r"a node cannot start: its process was lost (WorkerCrashedError); its logs",
        ),
    ],
)
def test_why_a_node_cannot_start(tmp_path: Path, trap: str, said: str) -> None:
    """A module that fails in Ray's workers alone."""
    (tmp_path / "path").mkdir()
    (tmp_path / "path" / "sitecustomize.py").write_text(
        "import sys\nclass Trap:\n    @staticmethod\n    def find_spec(name, path=None, target=None):\n"
        f"        if name == 'clients':\n            {trap}\n"
        "if any(word.endswith('default_worker.py') for word in sys.orig_argv):\n"
        "    sys.meta_path.insert(0, Trap)\n"
    )
    there = {"FEDFER_CACHE": str(tmp_path / "cache"), "PYTHONPATH": str(tmp_path / "path")}
    done = fresh_fedfer("run", *SHORT, "--out", "run", cwd=tmp_path, **there)
    assert done.code == 1
    assert done.err.count("\n") == 1
    assert said in done.err
    assert not (tmp_path / "cache" / "features").exists()
    assert list((tmp_path / "run" / "logs" / "ray").iterdir())


def test_a_folder_in_the_place_of_a_package_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "nothing_in_it").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(RunError, match=f"the package nothing_in_it was not found: {tmp_path}/nothing_in_it"):
        digests("nothing_in_it")
    with pytest.raises(RunError, match="the package not_there_at_all was not found"):
        digests("not_there_at_all")


def test_a_reason_is_never_empty() -> None:
    class _Reply:
        class error:  # noqa: N801
            reason = ""

    assert reason(_Reply()) == "no reason was given (see the logs of the run)"  # type: ignore[arg-type]
    assert first_cause(AssertionError()) == "AssertionError"
    assert first_cause(KeyError("a\nb")) == r"KeyError: 'a\nb'"
    assert first_cause(InputError("give another")) == "give another"
    assert first_cause(InputError()) == "InputError"
    error = RuntimeError("the end")
    error.__cause__ = ZeroDivisionError()
    assert first_cause(error) == "ZeroDivisionError"


def test_nowhere_is_an_empty_folder_and_one_comes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with nowhere(tmp_path):
        assert Path.cwd() == tmp_path / "nowhere"
        assert list(Path.cwd().iterdir()) == []
    assert Path.cwd() == tmp_path


def test_an_environment_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    monkeypatch.setenv("FEDFER_ONE", "1")
    monkeypatch.delenv("FEDFER_TWO", raising=False)
    with environment(FEDFER_ONE="2", FEDFER_TWO="2"):
        assert (os.environ["FEDFER_ONE"], os.environ["FEDFER_TWO"]) == ("2", "2")
    assert os.environ["FEDFER_ONE"] == "1"
    assert "FEDFER_TWO" not in os.environ
