"""Flower's own command: `flwr run .` in its simulation, and on a SuperLink whose SuperNodes are phones."""

import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from support_commands import SMALL, Here, settings
from support_devices import Devices, draw_faces, phones_over_tls, share_out
from support_flower_net import CHECKOUT, Services
from support_watch import outside, watched

from clients import phone_node as device
from fer_models.encoders.weights import find
from fer_models.errors import InputError
from fer_models.heads import load_head
from server.app import make_app
from server.strategies import personal_heads
from simulations.cli import flower
from simulations.engines.grid import context
from simulations.experiment import load
from simulations.run.request import Request
from simulations.run.rounds import ExistingGrid
from simulations.run.runner import run_experiment
from simulations.terminal.display import Display

slow = pytest.mark.slow

NODES = ("--federation-config", "num-supernodes=2 client-resources-num-cpus=1 init-args-num-cpus=2")


@pytest.fixture
def services(run_cache: str) -> Iterator[Services]:
    with Services(Path(tempfile.mkdtemp(prefix="ff")), FEDFER_CACHE=run_cache) as services:
        yield services


def asked(**changes: object) -> str:
    """The settings of the small run, as the run configuration takes them."""
    values = SMALL | {name.replace("__", "."): value for name, value in changes.items()}
    return 'set="' + " ".join(f"{name}={value}" for name, value in values.items()) + '"'


@slow
def test_flwr_run_is_the_same_run_and_keeps_to_itself(
    whole_run: Path, services: Services, tmp_path: Path
) -> None:
    """The same bytes as `fedfer run`; with the two settings and the file that docs/privacy-of-use.md asks
    for, nothing beyond this machine is talked to.
    """
    home = tmp_path / "home"
    home.mkdir()
    (home / "ray_bootstrap_config.yaml").touch()
    services.env["HOME"] = str(home)
    services.watch = watched(tmp_path / "trace")
    log, status = services.run("local", asked(), f'out="{tmp_path}/run"', options=NODES)
    assert status == "finished:completed", log
    assert (tmp_path / "run" / "head.safetensors").read_bytes() == (
        whole_run / "head.safetensors"
    ).read_bytes()
    assert (tmp_path / "run" / "report.html").exists()
    assert "Creating virtual environment" not in log
    services.end()
    assert outside(tmp_path / "trace") == []
    assert [path.name for path in home.iterdir()] == ["ray_bootstrap_config.yaml"]


def test_what_the_configuration_of_a_run_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = {
        "out": str(tmp_path / "new"),
        "data": "sketch",
        "set": "federation.rounds=3 strategy.name=krum",
    }
    request = flower.request(settings, devices=False)
    assert (request.config.federation.rounds, request.config.strategy.name) == (3, "krum")
    assert (request.folder, request.baseline) == (tmp_path / "new", True)
    monkeypatch.chdir(tmp_path)
    plain = flower.request({"out": "", "data": "", "set": "", "experiment": ""}, devices=False)
    assert plain.folder.parent == tmp_path / "runs"
    assert plain.folder.name.startswith("quickstart-")
    assert plain.config == load("quickstart")[1]
    real = flower.request(settings, devices=True)
    assert (real.baseline, real.devices) == (False, True)
    with pytest.raises(InputError, match="is a run on devices; resume it with flwr run and devices=true"):
        run_experiment(real, Display(quiet=True))
    for wrong, words in [
        ({"out": "new"}, r'out: needs an absolute path, got "new"; give --run-config'),
        ({"data": "faces"}, "data: needs an absolute path"),
        ({"set": "federation.phones=none"}, r"federation\.phones"),
    ]:
        with pytest.raises(InputError, match=words):
            flower.request(settings | wrong, devices=False)


def test_what_devices_cannot_do_is_refused_and_not_left_out(tmp_path: Path) -> None:
    settings, file = {"out": str(tmp_path / "new"), "data": "sketch"}, tmp_path / "mine.toml"
    assert flower.request(settings, devices=False).config.data.balance == 1000
    assert flower.request(settings, devices=True).config.data.balance == 0
    file.write_text("[train]\nlr = 0.5\n[data]\nbalance = 0\n")
    real = flower.request(settings | {"experiment": str(file)}, devices=True).config
    assert (real.train.lr, real.data.balance) == (0.5, 0)
    for words, said in [
        ("model.name=cnn", 'devices train the linear head of "mobilenet", got "cnn"'),
        (
            "data.balance=1000",
            r'data\.balance_on: "server" needs a plan over all photos.*which is 1000, to 0',
        ),
        (
            "federation.partition=camera",
            r'federation\.partition: devices hold their own photos.*got "camera"',
        ),
    ]:
        with pytest.raises(InputError, match=said):
            flower.request(settings | {"set": words}, devices=True)
        flower.request(settings | {"set": words}, devices=False)
    for way in ("phone", "loss"):  # which need no plan
        real = flower.request(settings | {"set": f"data.balance_on={way}"}, devices=True).config
        assert real.data.balance == 1000
    file.write_text('[data]\nbalance = 1000\nbalance_on = "server"\n')
    with pytest.raises(InputError, match=r"data\.balance"):
        flower.request(settings | {"experiment": str(file)}, devices=True)


@pytest.mark.slow
@pytest.mark.usefixtures("own_encoders")
def test_a_device_heeds_how_many_photos_may_be_unreadable(tmp_path: Path) -> None:
    faces = draw_faces(tmp_path / "faces")
    for number in range(2):
        (faces / "anger" / f"{number:02d}.png").write_bytes(b"no photo")
    config = load("quickstart", settings=["model.weights=random", "data.image_size=32"])[1]
    recipe = {
        "classes": list(config.data.classes), "names": "{}", "size": 32, "weights": "random",
        "weights_sha256": find("random", seed=0).sha256, "seed": 0, "views_seed": 0,
        "balance": 0, "balance_on": "loss",
    }  # fmt: skip
    node = {"phone": 0, "data": str(faces)}
    held = device.prepare(node, recipe | {"max_unreadable": 0.1})
    assert held.sizes.tolist() == [148]
    with pytest.raises(
        InputError, match=r"2 of 150 photos .* cannot be read \(1\.3%, data\.max_unreadable is"
    ):
        device.prepare(node, recipe | {"max_unreadable": 0.01})


@pytest.mark.usefixtures("own_encoders")
@pytest.mark.parametrize(
    ("name", "balance"),
    [
        pytest.param("scaffold", "data.balance=0", marks=slow),
        pytest.param("fedavg", "data.balance_on=phone", marks=slow),
        *(pytest.param(n, "data.balance=0", marks=slow) for n in ("balanced-softmax", "ditto", "fine-tune")),
        pytest.param("ridge", "data.balance_on=loss", marks=slow),
        pytest.param("scaffold", "data.balance_on=loss", marks=slow),
    ],
)  # fmt: skip
def test_devices_train_with_the_options_of_simulated_phones(tmp_path: Path, name: str, balance: str) -> None:
    faces = draw_faces(tmp_path / "faces")
    options = [
        "train.lr=0.01", "train.batch=7", "train.dropout=0.5", "train.optimizer=sgd", f"strategy.name={name}",
        "federation.local_epochs=2", "federation.rounds=2", "federation.phones=3", "model.weights=random",
        "data.image_size=32", balance, "report.examples=false",
    ]  # fmt: skip
    simulated = [*options, "federation.partition=quantity", "federation.engine=process"]
    share_out(faces, simulated, tmp_path)
    _, config = load("quickstart", data=str(faces), settings=simulated)
    run_experiment(Request("quickstart", config, tmp_path / "run", "", baseline=False), Display(quiet=True))
    asked = {"data": str(faces), "out": str(tmp_path / "real"), "set": " ".join(options)}
    grid = Devices(tmp_path)
    through = ExistingGrid(lambda job: make_app(job)(grid, context()), 3, devices=True)
    run_experiment(flower.request(asked, devices=True), Display(quiet=True), through)
    one, two = (load_head(tmp_path / folder / "head.safetensors")[0] for folder in ("run", "real"))
    assert np.abs(one["weight"]).max() > 0.001
    for part in ("weight", "bias"):
        np.testing.assert_allclose(two[part], one[part], atol=1e-6, rtol=0)
    heads = [personal_heads.load(tmp_path / folder) for folder in ("run", "real")]
    if name in ("ditto", "fine-tune"):
        np.testing.assert_allclose(heads[1].heads, heads[0].heads, atol=1e-6, rtol=0)  # type: ignore[union-attr]


@slow
def test_nodes_that_were_started_in_another_checkout_are_told(services: Services, tmp_path: Path) -> None:
    other = services.folder / "cwd"  # where the local SuperLink starts, and its nodes import from
    for name in ("server", "clients", "fer_models", "simulations"):
        shutil.copytree(CHECKOUT / name, other / name)
    with (other / "clients" / "phones.py").open("a") as file:
        file.write("# another\n")
    log, status = services.run("local", asked(), f'out="{tmp_path}/new"', options=NODES)
    assert status == "finished:failed", log
    assert "fedfer: a node runs other code than the server (clients/phones.py); install the same" in log


@slow
def test_three_phones_over_tls_come_to_the_head_of_the_simulation(
    services: Services, here: Here, encoders: Path, tmp_path: Path
) -> None:
    faces = draw_faces(tmp_path / "faces")
    plain = {
        "federation__phones": 3, "federation__rounds": 2, "data__balance": 0, "federation__nodes": 2,
        "checkpoint__every": 1,
    }  # fmt: skip
    words = ["--data", str(faces), *settings(**plain, federation__partition="quantity")]
    simulated = here.run("run", *words, "--set=federation.engine=process", "--no-baseline", "--out", "run")
    assert simulated.code == 0, simulated.err
    photos = share_out(faces, words[3::2], tmp_path)

    nodes = phones_over_tls(services, tmp_path, encoders, 3, strangers=1)
    assert nodes[3].wait(60) != 0  # whose key nobody registered
    log, status = services.run(
        "phones", asked(**plain), f'data="{faces}"', f'out="{tmp_path}/real"', "devices=true"
    )
    assert status == "finished:completed", log
    one, two = (load_head(tmp_path / name / "head.safetensors")[0] for name in ("run", "real"))
    heads = [np.concatenate([head["weight"].ravel(), head["bias"]]) for head in (one, two)]
    assert np.abs(heads[0]).max() > 0.01
    np.testing.assert_allclose(heads[1], heads[0], atol=1e-6, rtol=0)
    lines = (tmp_path / "real" / "rounds.jsonl").read_text().splitlines()
    trained = [json.loads(line)["photos"] for line in lines]
    assert trained == [sum(photos)] * 2
