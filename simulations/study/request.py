"""The request of a study, and what its folder already holds: nothing, or a study started before."""

import importlib.util
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import tomli_w

from fer_models.errors import InputError
from fer_models.machine.cache import whole_file
from fer_models.models import MODELS
from fer_models.pages.options import as_toml
from fer_models.text import printable
from simulations.config import Config
from simulations.experiment import load, read_toml, validate
from simulations.explain import nearest
from simulations.mirrors.registry import check_installed
from simulations.run.request import check_folder
from simulations.study.results import run_folder

SETTINGS = "study.toml"
BALANCES = (0, 800, 900, 1000)  # the published study's, and none
_OWN = {"model.name": "--models", "data.balance": "--balances", "evaluation.select": "nothing: it is best"}
_REQUESTED = ("models", "balances", "seeds")  # in the settings, beside the sections

_MOST = 1_000_000  # views per class

One = TypeVar("One")


@dataclass(frozen=True)
class StudyRequest:
    """Every model at every balance over several seeds."""

    config: Config  # of every run, except for what differs between them
    models: tuple[str, ...]
    balances: tuple[int, ...]
    seeds: int
    folder: Path
    command: str  # as typed
    left_out: tuple[str, ...] = ()  # models whose library is not installed

    @property
    def every_seed(self) -> range:
        """The seeds themselves, from run.seed on."""
        return range(self.config.run.seed, self.config.run.seed + self.seeds)

    @property
    def runs(self) -> list[tuple[int, str, int]]:
        """Seed, model and balance of each run, in the order of training."""
        return [(s, model, b) for s in self.every_seed for model in self.models for b in self.balances]

    @property
    def how_to_go_on(self) -> str:
        """The command that resumes it."""
        return f"fedfer study --out {shlex.quote(str(self.folder))}"

    def config_of(self, model: str, balance: int, seed: int) -> Config:
        """The settings of one run."""
        config = self.config
        return config.model_copy(
            update={
                "model": config.model.model_copy(update={"name": model}),
                "data": config.data.model_copy(update={"balance": balance}),
                "run": config.run.model_copy(update={"seed": seed}),
            }
        )

    def split_seed(self, seed: int) -> int:
        """The seed that splits the photos and draws the views of the runs of one seed."""
        return self.config.run.model_copy(update={"seed": seed}).split

    def place_of(self, model: str, balance: int, seed: int) -> Path:
        """The folder of one run."""
        return run_folder(self.folder, model, balance, seed)

    def begin(self) -> None:
        """Writes the settings to the folder, which must exist; InputError if it holds other settings."""
        if before := _begun(self.folder):
            check_same(before[0], self.config, self.folder)
        asked = {"models": list(self.models), "balances": list(self.balances), "seeds": self.seeds}
        with whole_file(self.folder / SETTINGS) as temporary:
            text = tomli_w.dumps({**asked, **self.config.model_dump(mode="json")})
            temporary.write_text(text, encoding="utf-8")


def ask(
    *,
    data: str | None,
    settings: Sequence[str],
    models: str | None,
    balances: str | None,
    seeds: int | None,
    folder: Path,
    command: str,
) -> StudyRequest:
    """The study requested on the command line; InputError for anything unusable.

    A started study only grows: its models, balances and seeds stay, and so do its settings if none are given.
    """
    before = _begun(folder)
    if before is None:
        check_folder(folder)
    for setting in settings:
        if instead := _OWN.get(setting.partition("=")[0].strip()):
            raise InputError(f"--set {setting}: a study sets that itself; use {instead}")
    config, asked = before or (None, {"models": [], "balances": [], "seeds": 0})
    if config is None or data is not None or settings:
        _, config = load("study", data=data, settings=[*settings, "evaluation.select=best"])
    check_installed(config.report.mirror)
    if config.baseline.epochs == "matched":
        raise InputError(
            'baseline.epochs is "matched", but a study has no federated run to match; give a number of epochs'
        )
    wanted = _models(models) if models is not None else () if before else _available()
    sizes = _balances(balances) if balances is not None else () if before else BALANCES
    count = max(asked["seeds"], seeds or 1)
    if config.run.seed + count > 2**63:
        raise InputError(f"--seeds: {count} from run.seed = {config.run.seed} on leaves the range; lower it")
    if count > 1 and "auto" not in (config.run.split_seed, config.run.train_seed):
        raise InputError(
            f"run.split_seed and run.train_seed: with both fixed the {count} seeds of a study (--seeds) are"
            " the same; omit one of them, or set --seeds 1"
        )
    return StudyRequest(
        config,
        tuple(_unique([*asked["models"], *wanted])),
        tuple(_unique([*asked["balances"], *sizes])),
        count,
        folder,
        command,
        tuple(name for name in MODELS if name not in _available()) if wanted and models is None else (),
    )


def check_same(before: Config, now: Config, folder: Path) -> None:
    """InputError naming the first key that differs, unless both settings are the same."""
    old, new = before.model_dump(mode="json"), now.model_dump(mode="json")
    for section, values in old.items():
        for name, value in values.items():
            if value != new[section][name]:
                raise InputError(
                    f"--out: {printable(folder)} was started with {section}.{name} ="
                    f" {as_toml(value)}, now it is {as_toml(new[section][name])}; give another folder,"
                    " or the same settings"
                )


def _begun(folder: Path) -> tuple[Config, dict[str, Any]] | None:
    """The settings and the request of the study started in `folder`; None if there is none.

    InputError if they are damaged.
    """
    path = folder / SETTINGS
    if not path.is_file():
        return None
    raw = read_toml(path)
    models, balances, seeds = (raw.pop(name, None) for name in _REQUESTED)
    sound = (
        isinstance(models, list)
        and all(name in MODELS for name in models)
        and isinstance(balances, list)
        and all(isinstance(number, int) and 0 <= number <= _MOST for number in balances)
        and isinstance(seeds, int)
        and min(len(models), len(balances), seeds) >= 1
    )
    config = validate(raw)
    if not sound or config.evaluation.select != "best":
        raise InputError(
            f"{printable(path)} is damaged: its models, balances, seeds or evaluation.select are not those of"
            " a study; restore it, or give another folder"
        )
    return config, {"models": models, "balances": balances, "seeds": seeds}


def _available() -> tuple[str, ...]:
    """Every model whose library is installed."""
    return tuple(
        name
        for name, page in MODELS.items()
        if page.requires is None or importlib.util.find_spec(page.requires[0])
    )


def _models(text: str) -> tuple[str, ...]:
    names = [name.strip() for name in text.split(",")]
    for name in names:
        if name not in MODELS:
            raise InputError(f'--models: there is no model "{printable(name)}"{nearest(name, MODELS)}')
    return tuple(_unique(names))


def _balances(text: str) -> tuple[int, ...]:
    found = []
    for one in text.split(","):
        if not (one.strip().isdecimal() and len(one.strip()) <= len(str(_MOST)) and int(one) <= _MOST):
            raise InputError(
                f"--balances takes whole numbers from 0 to {_MOST}, separated by commas, got"
                f' "{printable(one[:20])}";'
                " 0 leaves the classes unbalanced"
            )
        found.append(int(one))
    return tuple(_unique(found))


def _unique(values: Iterable[One]) -> list[One]:
    return list(dict.fromkeys(values))
