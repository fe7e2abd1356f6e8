"""A suite: the arms of a benchmark, what they share, and what each is tuned over.

A TOML file. `settings` and `candidates` are keys of the configuration, nested as in an experiment:

    about = "What federation costs"
    experiment = "quickstart"
    reference = "central"
    settings.federation.phones = 20
    search.rates = [{ train.lr = 0.01 }, { train.lr = 0.1 }]

    [[arms]]
    name = "central"
    kind = "central"
    tune = "rates"
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fer_models.config import Seed
from fer_models.errors import InputError
from fer_models.pages.options import as_toml
from fer_models.text import printable
from simulations.experiment import read_toml
from simulations.explain import nearest

TUNABLE = (
    "train",
    "baseline",
    "strategy",
    "update",
    "model",
    "privacy",
)  # sections: what the phones hold stays the same
Tables = dict[str, dict[str, Any]]  # section -> name -> value

_NAME = r"^[a-z0-9][a-z0-9.-]*$"  # of an arm: also the name of its folder


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Arm(_Part):
    """One contender."""

    name: str = Field(pattern=_NAME, max_length=60)
    about: str = ""  # one line for the page
    kind: Literal["federated", "central"] = "federated"
    settings: Tables = {}
    tune: str = ""  # a name in `search`; "": nothing is tuned
    reference: str = ""  # the arm that it is compared with; "": the suite's


class Step(_Part):
    """One step of what federation costs: from one arm to the next, in which one thing is changed."""

    name: str = Field(min_length=1)
    before: str  # an arm
    after: str  # an arm


class Suite(_Part):
    """The arms of a benchmark and what they share."""

    about: str = ""
    experiment: str = "quickstart"  # the base of every arm
    settings: Tables = {}
    folds: int = Field(5, ge=2, le=1000)
    seeds: int = Field(1, ge=1, le=1000)  # runs per arm and fold: other partition and training seeds
    seed: Seed = 0  # of the folds; the seeds count from it
    reference: str = ""  # the arm that the others are compared with
    margin: float = Field(0.02, gt=0, lt=1)  # differences below this one count as equal
    choose: Literal["macro_f1", "accuracy"] = "macro_f1"  # what tuning maximises, on validation photos
    search: dict[str, list[Tables]] = {}  # search spaces, by name: each a list of candidates
    arms: list[Arm] = []
    steps: list[Step] = []
    decompose: list[str] = []  # arms whose variance is decomposed, given two seeds or more
    pairs: int = Field(0, ge=0, le=10_000)  # of runs of the same arm that are compared: the null test

    def arm(self, name: str) -> Arm:
        """The arm of this name."""
        return next(arm for arm in self.arms if arm.name == name)

    def reference_of(self, arm: Arm) -> str:
        """The arm that an arm is compared with; "" for none."""
        named = arm.reference or self.reference
        return "" if named == arm.name else named

    def candidates(self, arm: Arm) -> list[Tables]:
        """What an arm is tuned over; a single empty one if it is not."""
        return self.search[arm.tune] if arm.tune else [{}]

    @property
    def every_seed(self) -> int:
        """Runs per arm and fold, those of the null test included."""
        return max(self.seeds, 2 * self.pairs)


@dataclass(frozen=True)
class NamedSuite:
    """A loaded suite."""

    name: str
    suite: Suite


def shipped() -> dict[str, Path]:
    """The suites that come with fedfer, by name."""
    folder = Path(str(resources.files("simulations") / "benchmark" / "suites"))
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


def load(name: str) -> NamedSuite:
    """A shipped suite by its name, or the suite in a TOML file; InputError for one that cannot be used."""
    path = shipped().get(name)
    if path is None:
        path = Path(name).expanduser()
        if not path.is_file():
            raise InputError(
                f'suite "{printable(name)}" is neither shipped nor a file{nearest(name, shipped())}'
            )
    return NamedSuite(path.stem, validate(read_toml(path), printable(path)))


def validate(raw: Mapping[str, Any], where: str) -> Suite:
    """The suite from raw values; InputError, one line that begins with `where`, for the first error in
    them.
    """
    try:
        suite = Suite.model_validate(raw)
    except ValidationError as error:
        raise InputError(f"{where}: {_explained(error)}") from error
    for problem in _problems(suite):
        raise InputError(f"{where}: {problem}")
    return suite


def _explained(error: ValidationError) -> str:
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        section, name = {2: (_known(Arm), key)}.get(len(first["loc"]) - 1, (_known(Suite), key))
        return f"unknown key {name}{nearest(str(first['loc'][-1]), section)}"
    if first["type"] == "missing":
        return f"{key} is missing; add it"
    got = as_toml(first["input"])
    return f"{key}: {first['msg'][0].lower()}{first['msg'][1:]}, got {got[:80]}; see docs/benchmark.md"


def _known(part: type[BaseModel]) -> list[str]:
    return list(part.model_fields)


def _problems(suite: Suite) -> Iterator[str]:
    """What is wrong with a suite whose types are right, one line each."""
    names = [arm.name for arm in suite.arms]
    if not names:
        yield "the suite has no arms; add [[arms]] with a name"
    for name in names:
        if names.count(name) > 1:
            yield f'two arms are called "{name}"; give each its own name'
    for arm in suite.arms:
        if arm.tune and arm.tune not in suite.search:
            known = nearest(arm.tune, suite.search)
            yield f'arm "{arm.name}" is tuned over "{arm.tune}", which is no list in search{known}'
    for space, candidates in suite.search.items():
        if not candidates:
            yield f"search.{space} has no candidates; add one, or remove it"
        for section in {section for candidate in candidates for section in candidate}:
            if section not in TUNABLE:
                tunable = ", ".join(TUNABLE)
                yield f"search.{space} changes {section}, but only {tunable} can be tuned; move it to an arm"
    wanted = {"reference": [suite.reference] if suite.reference else [], "decompose": suite.decompose}
    wanted["steps"] = [name for step in suite.steps for name in (step.before, step.after)]
    wanted["arms.reference"] = [arm.reference for arm in suite.arms if arm.reference]
    for key, arms in wanted.items():
        for name in arms:
            if name not in names:
                yield f'{key} names the arm "{name}", which there is not{nearest(name, names)}'
    for one, two in zip(suite.steps, suite.steps[1:], strict=False):
        if one.after != two.before:
            ends = f'"{one.name}" ends at {one.after} and "{two.name}" begins at {two.before}'
            yield f"steps must form a chain, but {ends}"
    if len(names) > 1 and not suite.reference and not suite.pairs:
        yield f"reference is missing; name the arm that the others are compared with: {', '.join(names)}"


def settings_of(*tables: Tables) -> Iterator[tuple[str, str, Any]]:
    """Section, name and value of each setting; later tables override earlier ones."""
    merged: dict[tuple[str, str], Any] = {}
    for table in tables:
        for section, values in table.items():
            merged |= {(section, name): value for name, value in values.items()}
    yield from ((section, name, value) for (section, name), value in merged.items())


def written(tables: Tables) -> str:
    """Settings as a reader would type them: "train.lr=0.03"."""
    return " ".join(f"{section}.{name}={value}" for section, name, value in settings_of(tables))
