"""Experiments: files, --data and --set to one typed configuration, and back; refusals in one plain line."""

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fer_models.errors import InputError
from simulations.config import Config
from simulations.experiment import keys, load, read_toml, shipped, validate


def refusal(*settings: str, experiment: str = "quickstart", data: str | None = None) -> str:
    with pytest.raises(InputError) as caught:
        load(experiment, data=data, settings=settings)
    text = str(caught.value)
    assert "\n" not in text
    return text


def test_every_shipped_experiment_loads_under_its_name() -> None:
    assert {"quickstart", "dirichlet"} <= set(shipped())
    for name in shipped():
        assert load(name)[0] == name


def test_defaults_are_those_of_the_documents() -> None:
    config = Config()
    assert config.data.classes == ("anger", "happiness", "neutrality", "sadness", "surprise")
    assert (config.data.split, config.data.balance) == ((0.6, 0.2, 0.2), 1000)
    assert (config.train.lr, config.train.batch, config.train.dropout) == (0.03, 16, 0.2)
    assert (config.federation.phones, config.federation.rounds, config.federation.block) == (100, 50, 32)
    assert (config.baseline.epochs, config.checkpoint.every, config.evaluation.select) == (10, 10, "last")


def test_a_configuration_written_and_read_is_the_same_and_complete(tmp_path: Path) -> None:
    _, config = load("dirichlet", settings=["train.lr=1e-4", "baseline.epochs=matched", "data.image_size=64"])
    config.save(tmp_path / "config.toml")
    assert validate(read_toml(tmp_path / "config.toml")) == config
    written = tomllib.loads((tmp_path / "config.toml").read_text())
    assert {f"{section}.{name}" for section, values in written.items() for name in values} == set(keys())
    assert load(str(tmp_path / "config.toml")) == ("config", config)


@given(st.floats(min_value=1e-300, max_value=100), st.integers(0, 2**63 - 1))
def test_numbers_survive_the_file(lr: float, seed: int) -> None:
    import tomli_w

    config = validate({"train": {"lr": lr}, "run": {"seed": seed}})
    assert validate(tomllib.loads(tomli_w.dumps(config.model_dump(mode="json")))) == config


def test_values_are_toml_or_bare_text() -> None:
    wanted = [
        "federation.partition=dirichlet",
        "federation.alpha=1",
        "train.lr=1e-2",
        "report.examples=false",
    ]
    _, config = load("quickstart", settings=[*wanted, 'data.classes=["fear", "anger"]', " run.seed = 7 "])
    assert (config.federation.partition, config.federation.alpha) == ("dirichlet", 1.0)
    assert (config.train.lr, config.report.examples, config.run.seed) == (0.01, False, 7)
    assert config.data.classes == ("fear", "anger")
    assert load("quickstart", settings=["run.seed=1", "run.seed=2"])[1].run.seed == 2


def test_data_goes_before_the_file_and_paths_become_absolute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.toml").write_text('[data]\nsource = "elsewhere"\n[model]\nweights = "w.pth"\n')
    name, config = load("mine.toml", data="photos")
    assert (name, config.data.source) == ("mine", str(tmp_path / "photos"))
    assert config.model.weights == str(tmp_path / "w.pth")
    assert load("quickstart", data="sketch")[1].data.source == "sketch"
    assert load("quickstart", data="~no-such-user/faces")[1].data.source == str(
        tmp_path / "~no-such-user" / "faces"
    )
    assert load("quickstart", data="~/faces")[1].data.source == str(Path.home() / "faces")


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("federation.phone=3", "unknown key federation.phone; did you mean federation.phones?"),
        ("federation.Rounds=3", "unknown key federation.Rounds; did you mean federation.rounds?"),
        ("train.rounds=3", "unknown key train.rounds; did you mean federation.rounds?"),
        ("train.nesterov=3", "unknown key train.nesterov; train has lr, batch, dropout, optimizer"),
        ("federation.phones.max=3", "unknown key federation.phones.max; did you mean federation.phones?"),
        ("fedration.phones=3", "unknown section fedration of fedration.phones; did you mean federation?"),
        ("federation.phones=-1", "federation.phones must be a whole number at least 1"),
        ("federation.phones=0", "got 0; the default is 100"),
        ("federation.phones=5.0", "got 5.0; the default is 100"),
        ("federation.phones=true", "got true; the default is 100"),
        ('federation.phones="5"', 'got "5"; the default is 100'),
        ("federation.phones=many", 'got "many"; the default is 100'),
        ("federation.phones=", 'got ""; the default is 100'),
        ("federation.phones=[1]", "got [1]; the default is 100"),
        (
            "federation.phones_per_round=101",
            "federation.phones_per_round must not exceed federation.phones (100)",
        ),
        ("federation.rounds=0", "federation.rounds must be a whole number at least 1"),
        ("federation.rounds=10000000000", "at most 1000000, got 10000000000"),
        ("federation.local_epochs=0", "federation.local_epochs must be"),
        ("federation.alpha=0", "federation.alpha must be a number above 0, got 0; the default is 0.3"),
        ("federation.alpha=-1", "federation.alpha must be a number above 0, got -1"),
        ("federation.alpha=nan", "federation.alpha must be a number above 0, got nan"),
        ("federation.nodes=-1", "federation.nodes must be a whole number at least 0 and at most 256"),
        ("federation.block=0", "federation.block must be"),
        ("federation.classes_per_phone=0", "federation.classes_per_phone must be a whole number at least 1"),
        ("federation.shards_per_phone=1.5", "federation.shards_per_phone must be a whole number at least 1"),
        ("federation.sigma=-0.1", "federation.sigma must be a number at least 0 and at most 100, got -0.1"),
        ("federation.sigma=nan", "got nan; the default is 1.0"),
        (
            "federation.partition=iidd",
            'must be "iid", "dirichlet", "dirichlet-clients", "pathological", "shards", "quantity", '
            '"subject", "camera", "draw" or MODULE:CLASS of your own, got "iidd"',
        ),
        (
            "strategy.name=fedsgd",
            '"local" or MODULE:CLASS of your own, got "fedsgd"; the default is "fedavg"',
        ),
        ("train.lr=nan", "train.lr must be a number above 0 and at most 100, got nan"),
        ("train.lr=inf", "got inf; the default is 0.03"),
        ("train.lr=0", "train.lr must be a number above 0"),
        ("train.lr=small", 'got "small"; the default is 0.03'),
        ("train.batch=0", "train.batch must be a whole number at least 1"),
        ("train.dropout=1", "train.dropout must be a number at least 0 and at most 0.95, got 1"),
        ("train.optimizer=lamb", 'train.optimizer must be "adam" or "sgd", got "lamb"'),
        ("baseline.epochs=0", 'baseline.epochs must be "matched" or a whole number at least 1'),
        ("baseline.epochs=match", 'got "match"; the default is 10'),
        ("run.seed=-1", "run.seed must be a whole number at least 0"),
        ("run.seed=9223372036854775808", "below 9223372036854775808"),
        ("run.seed=2026-01-01", 'got "2026-01-01"; the default is 0'),
        ("run.split_seed=-1", 'run.split_seed must be "auto" or a whole number at least 0'),
        ("run.train_seed=any", 'run.train_seed must be "auto" or a whole number at least 0'),
        ("federation.min_photos=0", "federation.min_photos must be a whole number at least 1"),
        ("run.device=tpu", 'run.device must be "cpu" or "cuda", got "tpu"'),
        ("report.examples=1", "report.examples must be true or false, got 1"),
        ("evaluation.every=0", "evaluation.every must be"),
        ("evaluation.select=worst", 'evaluation.select must be "last" or "best"'),
        ("checkpoint.every=0", "checkpoint.every must be"),
        ("data.source=", 'data.source must be a text that is not empty, got ""'),
        ("data.classes=anger", 'data.classes must be a list of texts, got "anger"'),
        ('data.classes=["anger"]', "data.classes must be two or more different names"),
        ('data.classes=["anger","anger"]', "data.classes must be two or more different names"),
        ("data.names=3", 'data.names must be a table of texts, such as {"0" = "neutrality"}, got 3'),
        ('data.names={"0"=1}', "data.names must be a table of texts"),
        ('data.names={"0"=" "}', 'data.names must say what "0" means, got nothing'),
        ('data.classes=["happy","Happiness"]', "data.classes must be two or more different names"),
        ("data.split=gven", 'data.split must be a list of three numbers or "given", got "gven"'),
        ("data.split=0.5", 'data.split must be a list of three numbers or "given", got 0.5'),
        ("data.split=[0.5,0.5]", 'data.split must be a list of three numbers or "given", got [0.5, 0.5]'),
        ("data.split=[0.5,0.5,0.5]", "data.split must be three positive shares that add up to 1"),
        ("data.split=[1.2,-0.1,-0.1]", "data.split must be three positive shares that add up to 1"),
        ("data.balance=-1", "data.balance must be a whole number at least 0"),
        ("data.image_size=10", 'data.image_size must be "auto" or a whole number at least 32'),
        ("data.max_unreadable=2", "data.max_unreadable must be a number at least 0 and at most 1"),
        ("sketch.faces=10", "sketch.faces must be a whole number at least 50"),
        ("sketch.subjects=9999", "sketch.subjects must not exceed faces (4000), got 9999"),
        ("model.name=resnet", 'model.name must be "mobilenet", "mobilenet-deep", '),
        ("rounds=3", 'got "rounds=3"; did you mean federation.rounds?'),
        ("federation.rounds", 'got "federation.rounds"; for example --set federation.phones=100'),
        ("=3", 'got "=3"; write SECTION.KEY'),
        ("run.seed=1\nx=2", r'got "1\nx=2"'),
    ],
)
def test_values_that_cannot_be_used(setting: str, said: str) -> None:
    line = refusal(setting)
    assert said in line
    key = setting.partition("=")[0].strip()
    assert key in line


def test_every_key_refuses_a_table() -> None:
    for key in keys():
        assert refusal(key + "={ a = 1 }").startswith(f"{key} must be ")


def test_experiments_that_are_not_there(tmp_path: Path) -> None:
    assert refusal(experiment="quikstart") == (
        'experiment "quikstart" is neither shipped nor a file; did you mean quickstart?'
    )
    assert "choose one of dirichlet, masked, quickstart" in refusal(experiment="zzz")
    for name in ("", "~no-such-user/x.toml", "x" * 5000, "a/b.toml"):
        assert "neither shipped nor a file" in refusal(experiment=name)
    assert f'experiment "{tmp_path}" is a folder; give a TOML file' in refusal(experiment=str(tmp_path))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"[federation\nphones = 3", "is not TOML: Expected ']'"),
        (b"[federation]\nphones = 3\nphones = 4", "is not TOML: Cannot overwrite a value"),
        (b"\xff\xfe", "is not UTF-8 text"),
        (b"federation = 3", "federation is a section, got federation = 3; write federation.KEY = VALUE"),
        (b"rounds = 3", "unknown key rounds; did you mean federation.rounds?"),
        (b"[fed]\nrounds = 3", "unknown section fed"),
        (b"[federation]\nround = 3", "unknown key federation.round; did you mean federation.rounds?"),
    ],
)
def test_files_that_cannot_be_used(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "mine.toml").write_bytes(content)
    line = refusal(experiment=str(tmp_path / "mine.toml"))
    assert said in line
    assert "mine.toml" in line or said.startswith(("federation", "unknown"))


def test_a_section_that_is_none_in_the_file_is_named_before_set(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text("run = 3")
    assert "run is a section" in refusal("run.seed=1", experiment=str(tmp_path / "mine.toml"))
    (tmp_path / "mine.toml").write_text("data = 3")
    assert "data is a section" in refusal(experiment=str(tmp_path / "mine.toml"), data="faces")
