"""Secure aggregation with nodes that are phones: one lost at each step, and a server that tries more."""

import os
import tempfile
from pathlib import Path

import numpy as np
import pytest
from flwr.app import Array, ArrayRecord, ConfigRecord, Message, RecordDict
from support_devices import Devices, draw_faces, phones_over_tls, share_out
from support_flower_net import Services

from clients import secure
from clients.app import app as client_app
from fer_models.config import TrainConfig
from fer_models.errors import InputError
from fer_models.heads import load_head
from fer_models.local.phone_rows import PhoneData, PhoneRows
from fer_models.local.training import LocalWork, Trained, Update
from fer_models.machine.code import node_digest
from fer_models.order import Order
from fer_models.run_folder.folder import read_rounds
from fer_models.secagg.phone import RefusedError
from server.app import make_app
from simulations.cli import flower
from simulations.engines.grid import context, sender
from simulations.run.rounds import ExistingGrid
from simulations.run.runner import run_experiment
from simulations.terminal.display import Display

OPTIONS = [
    "federation.rounds=4", "federation.phones=5", "model.weights=random", "data.image_size=32",
    "data.balance=0", "report.examples=false", "federation.patience=5",
]  # fmt: skip
MASKED = ["secagg.protocol=secagg+", "secagg.neighbours=4", "secagg.threshold=2"]


def real(folder: Path, name: str, grid: Devices, *settings: str) -> Path:
    """A run on the five phones in `folder`; its folder."""
    asked = {
        "data": str(folder / "faces"),
        "out": str(folder / name),
        "set": " ".join([*OPTIONS, *settings]),
    }
    through = ExistingGrid(lambda job: make_app(job)(grid, context()), 5, devices=True)
    run_experiment(flower.request(asked, devices=True), Display(quiet=True), through)
    return folder / name


@pytest.fixture
def folder(own_encoders: None, tmp_path: Path) -> Path:
    faces = draw_faces(tmp_path / "faces")
    share_out(faces, [*OPTIONS, "federation.partition=quantity"], tmp_path)
    return tmp_path


@pytest.mark.slow
def test_phones_lost_at_each_step_leave_the_sum_of_the_others(folder: Path) -> None:
    lost = [
        ("query.secagg_keys", 1, 0), ("query.secagg_shares", 2, 1), ("train.secagg_masked", 3, 2),
        ("query.secagg_unmask", 4, 3),
    ]  # fmt: skip
    masked = real(folder, "masked", Devices(folder, 5, lost), *MASKED)
    same = [("train.secagg_masked", number, phone) for _, number, phone in lost[:3]]
    plain = real(folder, "plain", Devices(folder, 5, same), "secagg.protocol=sum")
    assert (masked / "head.safetensors").read_bytes() == (plain / "head.safetensors").read_bytes()
    records = read_rounds(masked)
    assert [record.phones for record in records] == [4, 4, 4, 5]
    assert [list(record.dropped_phones) for record in records] == [["0"], ["1"], ["2"], []]
    assert all("its node failed" in why for r in records for why in r.dropped_phones.values())
    assert [record.metrics["secagg_lost_unmasking"] for record in records] == [0, 0, 0, 1]


@pytest.mark.slow
def test_nothing_but_masked_sums_leaves_a_phone(folder: Path) -> None:
    class Seen(Devices):
        def pull_messages(self, message_ids: list[str]) -> list[Message]:  # type: ignore[override]
            replies = list(super().pull_messages(message_ids))
            for reply in replies:
                if reply.metadata.message_type == "train.secagg_masked":
                    records = reply.content.array_records
                    assert sorted(records) == ["rings", "update"]
                    assert sorted(records["update"]) == ["phones"]
                    (array,) = (array.numpy() for array in records["rings"].values())
                    seen.append(array)
            return replies

    seen: list[np.ndarray] = []
    real(folder, "masked", Seen(folder, 5), *MASKED, "federation.rounds=1")
    assert len(seen) == 5
    for array in seen:  # of 64 random bits; of an update the upper ones are all the same
        assert np.unpackbits(array.view(np.uint8)).mean() == pytest.approx(0.5, abs=0.01)
        assert len(np.unique(array >> np.uint64(48))) > 1000


def test_strategies_whose_phones_would_send_their_own_head_are_refused(tmp_path: Path) -> None:
    asked = {"data": "sketch", "out": str(tmp_path / "run")}
    for name in ("ditto", "fine-tune"):
        words = f"strategy.name={name} secagg.protocol=secagg+"
        with pytest.raises(InputError, match="has each device send its personal head as it is"):
            flower.request(asked | {"set": words}, devices=True)
        flower.request(asked | {"set": words}, devices=False)


class Server:
    """A server that asks phones for anything, in any order. The updates of its five phones are ones."""

    def __init__(self) -> None:
        sender()
        self.contexts = [context(phone) for phone in range(5)]
        for phone, own in enumerate(self.contexts):
            own.node_config.update({"phone": phone, "data": "/nowhere"})
        self.keys = {phone: self.ask("keys", phone) for phone in range(5)}
        self.sealed = {
            phone: self.ask("shares", phone, neighbours=[others(phone)], **self.relayed())["sealed"][0]
            for phone in range(5)
        }

    def ask(self, step: str, phone: int, **more: object) -> dict[str, np.ndarray]:
        """The arrays of a phone's reply."""
        reply = client_app(self.message(step, phone, **more), self.contexts[phone])
        return {name: array.numpy() for name, array in reply.content.array_records["circle"].items()}

    def message(self, step: str, phone: int, number: int = 1, attempt: int = 0, **circle: object) -> Message:
        order = Order.of("", TrainConfig(), epochs=1, seed=0, number=number, code=node_digest())
        arrays = {name: Array(np.array(value)) for name, value in circle.items()}
        content = RecordDict(
            {
                "order": ConfigRecord(order.scalars()),
                "secagg": ConfigRecord({"attempt": attempt, "bits": 64}),
                "phones": ArrayRecord({"ids": Array(np.array([phone]))}),
                "circle": ArrayRecord(arrays),
            }
        )
        message = Message(content, dst_node_id=phone, message_type=f"query.secagg_{step}")
        message.metadata.__dict__["_message_id"] = "1"
        return message

    def relayed(self) -> dict[str, object]:
        names = "mask_keys", "channel_keys"
        keys = {name: np.concatenate([self.keys[p][name] for p in range(5)]) for name in names}
        return {"known": range(5), **keys, "thresholds": [2]}

    def masked(self, phone: int) -> np.ndarray:
        """The phone's masked update."""
        message = self.message("masked", phone, within=[others(phone)], groups=[0])
        masking, reply = secure.Masking(message, self.contexts[phone]), RecordDict({"update": ArrayRecord()})
        work = LocalWork(np.zeros((1, 4), np.float32), TrainConfig(), 1, 0)
        held = PhoneRows(np.ones((1, 3), np.float32), np.zeros(1, int), np.zeros(1, int), np.array([0, 1]))
        masking.around(ones)(held, np.array([phone]), work)
        (found,) = masking.seal(reply).array_records["rings"].values()
        return found.numpy()

    def wanted(self, phone: int, lost: tuple[int, ...] = ()) -> dict[str, object]:
        """What is asked of a phone in the last step."""
        sealed = [self.sealed[other][others(other).index(phone)] for other in others(phone)]
        alive = [int(other not in lost) for other in others(phone)]
        return {"within": [others(phone)], "alive": np.array([alive], np.uint8), "sealed": [sealed]}


def others(phone: int) -> list[int]:
    return [other for other in range(5) if other != phone]


def ones(held: PhoneData, phones: np.ndarray, work: LocalWork) -> Trained:
    """The training of a phone whose update is 1 everywhere."""
    none = phones[:0]
    return Trained(phones, Update(np.ones(work.head.shape), 1, 1, 1, 0.0, 2.0), np.zeros(len(phones)), none)


def test_a_server_that_asks_for_both_shares_or_twice_gets_nothing() -> None:
    server = Server()
    sums = sum(server.masked(phone) for phone in range(4))  # phone 4 is lost
    assert np.abs(sums.view(np.int64)).min() > 2**40  # type: ignore[union-attr]
    for phone in range(3):
        wanted = server.wanted(phone, lost=(4,))
        twice = wanted | {"within": [[*others(phone)[:3], others(phone)[0]]]}
        with pytest.raises(RefusedError, match=f"asked for both shares of phone {others(phone)[0]}"):
            server.ask("unmask", phone, **twice)
        assert server.ask("unmask", phone, **wanted)["shares"].shape == (1, 4, 33)
        # Now the share of phone 4 that it kept to itself, or that of phone 3, which did send an update.
        for lost in ((), (3, 4), (4,)):
            with pytest.raises(RefusedError, match="but answered unmasked last"):
                server.ask("unmask", phone, **server.wanted(phone, lost))
        for attempt in (0, 1):
            with pytest.raises(RefusedError, match="was in round 1, and takes no part in 1 again"):
                server.ask("keys", phone, attempt=attempt)
        assert server.ask("keys", phone, number=2)["mask_keys"].shape == (1, 32)


def test_an_attempt_that_is_begun_again_has_other_keys_and_the_old_ones_are_gone() -> None:
    server = Server()
    server.masked(0)
    again = server.ask("keys", 0, attempt=1)
    for name, keys in again.items():
        assert name == "phones" or not np.array_equal(keys, server.keys[0][name])
    with pytest.raises(RefusedError, match="phone 0 sent no keys for round 1"):
        server.ask("unmask", 0, **server.wanted(0))
    with pytest.raises(RefusedError, match="this node is phone 0, but the order is for phone 1"):
        client_app(server.message("keys", 1), server.contexts[0])
    with pytest.raises(RefusedError, match="answered keys last"):
        server.ask("unmask", 0, attempt=1, **server.wanted(0))


def test_the_keys_of_phones_come_from_the_operating_system() -> None:
    one, two = Server(), Server()
    assert not np.array_equal(one.keys[0]["mask_keys"], two.keys[0]["mask_keys"])


# In a SuperNode's ClientApp: the first call of one function of clients.secure kills both.
DEADLY = """
import importlib.abc, importlib.util, os, signal, sys

class Deadly(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name != "clients.secure":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        load = spec.loader.exec_module
        def exec_module(module):
            load(module)
            def die(*given):
                import psutil
                for process in psutil.Process().parents():
                    if "flower-supernode" in " ".join(process.cmdline()):
                        process.kill()
                os.kill(os.getpid(), signal.SIGKILL)
            where, name = module, os.environ["DIES_AT"]
            if name == "masked":
                where, name = module.Masking, "seal"
            setattr(where, name, die)
        spec.loader.exec_module = exec_module
        return spec

if "DIES_AT" in os.environ:
    sys.meta_path.insert(0, Deadly())
"""


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("step", ["keys", "shares", "masked", "unmask"])
def test_five_phones_over_tls_of_which_one_is_killed(
    own_encoders: None, encoders: Path, tmp_path: Path, step: str
) -> None:
    options = [*OPTIONS[1:], *MASKED, "federation.rounds=1", "federation.patience=240"]
    faces = draw_faces(tmp_path / "faces")
    share_out(faces, [*options, "federation.partition=quantity"], tmp_path)
    (tmp_path / "deadly").mkdir()
    (tmp_path / "deadly" / "sitecustomize.py").write_text(DEADLY)
    path = os.pathsep.join([str(tmp_path / "deadly"), os.environ.get("PYTHONPATH", "")])
    deadly = {"DIES_AT": step, "PYTHONPATH": path}
    with Services(Path(tempfile.mkdtemp(prefix="ff")), FEDFER_CACHE=os.environ["FEDFER_CACHE"]) as services:
        nodes = phones_over_tls(services, tmp_path, encoders, 5, more={2: deadly})
        log, status = services.run(
            "phones",
            f'set="{" ".join(options)}"',
            f'data="{faces}"',
            f'out="{tmp_path}/real"',
            "devices=true",
            seconds=1000,
        )
        assert status == "finished:completed", log
        assert nodes[2].wait(5) != 0
        assert [node.poll() for node in nodes].count(None) == 4
    (record,) = read_rounds(tmp_path / "real")
    told = step == "unmask"  # then it has sent its update
    assert record.phones == (5 if told else 4)
    assert list(record.dropped_phones) == ([] if told else ["2"])
    assert record.metrics["secagg_lost_unmasking"] == int(told)
    same = [] if told else [("train.secagg_masked", 1, 2)]
    plain = real(tmp_path, "plain", Devices(tmp_path, 5, same), "secagg.protocol=sum", "federation.rounds=1")
    one, two = (load_head(path / "head.safetensors")[0] for path in (tmp_path / "real", plain))
    for name in ("weight", "bias"):
        assert np.abs(one[name]).max() > 0
        np.testing.assert_array_equal(one[name], two[name])
