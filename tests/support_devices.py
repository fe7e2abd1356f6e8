"""Nodes that are phones with photos of their own: in this process, and as SuperNodes over TLS."""

import shutil
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from flwr.app import Context, Message
from PIL import Image
from support_flower_net import Services, free_port, make_keys, until_healthy

from clients.app import app as client_app
from simulations.engines.grid import context
from simulations.engines.in_process import InProcessGrid
from simulations.experiment import load
from simulations.world.prepare import survey


class Devices(InProcessGrid):
    """Nodes that are phones, in this process; each keeps its context. `lost`: messages that get no answer, by
    their type, their round and the phone.
    """

    def __init__(self, folder: Path, phones: int = 3, lost: Iterable[tuple[str, int, int]] = ()) -> None:
        self.contexts = {10 + phone: context(10 + phone) for phone in range(phones)}
        self.lost = set(lost)
        for node, own in self.contexts.items():
            own.node_config.update({"phone": node - 10, "data": str(folder / f"phone{node - 10}")})

        def answer(message: Message, context: Context) -> Message:
            return client_app(message, self.contexts[context.node_id])

        super().__init__(answer, [*list(self.contexts)[2:], 10, 11])  # type: ignore[arg-type]

    def push_messages(self, messages: Iterable[Message]) -> Iterable[str]:
        """Has each node answer its message, unless it is lost."""
        return super().push_messages([message for message in messages if self._of(message) not in self.lost])

    @staticmethod
    def _of(message: Message) -> tuple[str, int, int]:
        order = message.content.config_records["order"]
        return message.metadata.message_type, int(order["round"]), message.metadata.dst_node_id - 10  # type: ignore[arg-type]


def draw_faces(root: Path) -> Path:
    """Thirty different pictures of each emotion."""
    rng = np.random.default_rng(0)
    for number, name in enumerate(("anger", "happiness", "neutrality", "sadness", "surprise")):
        (root / name).mkdir(parents=True)
        for photo in range(30):
            pixels = rng.integers(0, 100, (64, 64)) + 30 * number
            Image.fromarray(pixels.astype(np.uint8)).save(root / name / f"{photo:02d}.png")
    return root


def share_out(faces: Path, words: list[str], folder: Path) -> list[int]:
    """Copies the photos of each phone of the simulation into a folder of its own; how many each has."""
    _, config = load("quickstart", data=str(faces), settings=words)
    world = survey(config, lambda done, total: None)
    for photo, phone in zip((world.own or world.plan).photos, world.owner, strict=False):
        path = Path(world.table.paths[photo])
        to = folder / f"phone{phone}" / path.parent.name
        to.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, to)
    return np.bincount(world.owner).tolist()  # type: ignore[no-any-return]


def phones_over_tls(
    services: Services,
    folder: Path,
    encoders: Path,
    phones: int,
    *,
    strangers: int = 0,
    more: Mapping[int, Mapping[str, str]] | None = None,
) -> "list[subprocess.Popen[bytes]]":
    """Starts a SuperLink, and for each phone a SuperNode with the photos in `folder`/phone0 ...; and so many
    whose keys nobody registered. `more`: what a phone has in its environment besides.
    """
    for phone in range(phones):
        shutil.copytree(encoders, folder / f"cache{phone}")
    make_keys(folder / "keys", phones + strangers)
    port, keys = str(services.port), folder / "keys"
    services.start(
        "superlink", "flower-superlink", "--host", "127.0.0.1", "--port", port, "--isolation", "subprocess",
        "--ssl-ca-certfile", str(keys / "ca.crt"), "--ssl-certfile", str(keys / "server.pem"),
        "--ssl-keyfile", str(keys / "server.key"), "--enable-supernode-auth",
    )  # fmt: skip
    until_healthy(services.port, keys / "ca.crt")
    (services.folder / "home" / "config.toml").write_text(
        f'[superlink]\ndefault = "phones"\n[superlink.phones]\naddress = "127.0.0.1:{port}"\n'
        f'root-certificates = "{keys}/ca.crt"\n'
    )
    for phone in range(phones):
        services.flwr("supernode", "register", str(keys / f"node{phone}.pub"), "phones")
    return [
        services.start(
            f"node{phone}", "flower-supernode", "--superlink", f"127.0.0.1:{port}",
            "--root-certificates", str(keys / "ca.crt"),
            "--auth-supernode-private-key", str(keys / f"node{phone}"),
            "--node-config", f'phone={phone} data="{folder}/phone{phone}"', "--isolation", "subprocess",
            "--host", "127.0.0.1", "--port", str(free_port()),
            FEDFER_CACHE=str(folder / f"cache{phone}"), **(more or {}).get(phone, {}),
        )
        for phone in range(phones + strangers)
    ]  # fmt: skip
