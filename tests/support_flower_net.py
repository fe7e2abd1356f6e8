"""Flower's own services on this machine: their processes, keys and ports, all of which a test owns."""

import datetime
import ipaddress
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives import serialization as as_bytes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from fer_models.machine.quiet import OFF

BIN = Path(sys.executable).parent
CHECKOUT = Path(__file__).resolve().parents[1]


def environment(home: Path, **more: str) -> dict[str, str]:
    """What keeps Flower to itself: its home, no telemetry, nothing installed behind anybody's back."""
    return {
        **os.environ,
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",  # Flower starts its parts by name
        "FLWR_HOME": str(home),
        **OFF,
        "FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION": "1",
        "FLWR_SUPEREXEC_TASK_POLL_INTERVAL": "0.2",
        "RAY_ADDRESS": "local",
        "NO_COLOR": "1",
    } | more


def free_port() -> int:
    with socket.socket() as some:
        some.bind(("127.0.0.1", 0))
        port: int = some.getsockname()[1]
        return port


class Services:
    """Processes in a folder of their own, ended with the block; a port for each."""

    def __init__(self, folder: Path, **more: str) -> None:
        self.folder, self.env = folder, environment(folder / "home", **more)
        self.port = free_port()
        self.env["FLWR_LOCAL_SUPERLINK_HTTP_API_PORT"] = str(self.port)
        self.watch: list[str] = []  # a command that begins Flower's, to look at it
        self._processes: list[subprocess.Popen[bytes]] = []
        (folder / "home").mkdir(parents=True)

    def __enter__(self) -> "Services":
        return self

    def start(self, name: str, *command: str, **more: str) -> "subprocess.Popen[bytes]":
        """Starts a service in a folder of its own, with a log."""
        place = self.folder / name
        place.mkdir()
        env = self.env | {"FLWR_HOME": str(place / "home")} | more
        with (place / "log").open("wb") as log:
            process = subprocess.Popen(
                [str(BIN / command[0]), *command[1:]], cwd=place, env=env, stdout=log, stderr=log
            )
        self._processes.append(process)
        return process

    def flwr(self, *command: str, seconds: float = 200) -> str:
        """Flower's command; its output, for which it is not asked to end what it begins."""
        cwd = self.folder / "cwd"  # not the checkout: the nodes of the simulation import from where it starts
        cwd.mkdir(exist_ok=True)
        with tempfile.TemporaryFile("w+") as said:
            subprocess.run(
                [*self.watch, str(BIN / "flwr"), *command],
                cwd=cwd, env=self.env, stdout=said, stderr=said, timeout=seconds,
            )  # fmt: skip
            said.seek(0)
            return said.read()

    def run(
        self,
        where: str,
        *settings: str,
        app: Path = CHECKOUT,
        options: tuple[str, ...] = (),
        seconds: float = 200,
    ) -> tuple[str, str]:
        """`flwr run` with these settings of the run: the log, and how Flower says that it ended."""
        words = "run", str(app), where, "--stream", *options, "--run-config", " ".join(settings)
        log = self.flwr(*words, seconds=seconds)
        found = re.search(r"Successfully started run (\d+)", log)
        assert found, log
        listed = self.flwr("ls", where, "--run-id", found[1], "--format", "json")
        return log, json.loads(listed)["runs"][0]["status"]

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()
        shutil.rmtree(self.folder)

    def end(self) -> None:
        """Ends the services, the last first, and the local SuperLink that `flwr run` leaves behind."""
        for process in reversed(self._processes):
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(10)
            process.kill()
            process.wait()
        for process in self.left():
            process.terminate()  # type: ignore[attr-defined]
        deadline = time.monotonic() + 15
        while self.left() and time.monotonic() < deadline:
            time.sleep(0.2)
        assert self.left() == []

    def left(self) -> list[object]:
        """Processes of Flower's in these folders that are still at work."""
        from psutil import STATUS_ZOMBIE, Error, process_iter

        found = []
        for process in process_iter():
            with suppress(Error, OSError):
                home = process.environ().get("FLWR_HOME", "")
                if home.startswith(str(self.folder)) and process.status() != STATUS_ZOMBIE:
                    found.append(process)
        return found


def until_healthy(port: int, certificate: Path) -> None:
    """Waits for a SuperLink."""
    context, deadline = ssl.create_default_context(cafile=certificate), time.monotonic() + 60
    while True:
        try:
            urllib.request.urlopen(f"https://127.0.0.1:{port}/health", timeout=2, context=context).close()
            return
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.2)


def make_keys(folder: Path, nodes: int) -> None:
    """ca.crt, server.pem and server.key for 127.0.0.1, and a pair of keys node0, node0.pub for each node."""
    folder.mkdir(parents=True)
    authority, server = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    basic = [
        (x509.BasicConstraints(ca=True, path_length=None), True),
        (_usage("key_cert_sign", "crl_sign"), True),
    ]
    names = x509.SubjectAlternativeName(
        [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    )
    served = [
        (_usage("digital_signature"), True),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False),
        (names, False),
    ]
    (folder / "ca.crt").write_bytes(_certificate("fedfer test CA", authority, authority, basic))
    (folder / "server.pem").write_bytes(_certificate("localhost", server, authority, served))
    (folder / "server.key").write_bytes(_private(server, as_bytes.PrivateFormat.PKCS8))
    for number in range(nodes):
        own = ec.generate_private_key(ec.SECP384R1())
        (folder / f"node{number}").write_bytes(_private(own, as_bytes.PrivateFormat.OpenSSH))
        (folder / f"node{number}.pub").write_bytes(
            own.public_key().public_bytes(as_bytes.Encoding.OpenSSH, as_bytes.PublicFormat.OpenSSH)
        )


def _usage(*allowed: str) -> x509.KeyUsage:
    every = (
        "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
        "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
    )  # fmt: skip
    return x509.KeyUsage(**{name: name in allowed for name in every})


def _certificate(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    signer: ec.EllipticCurvePrivateKey,
    extensions: list[tuple[x509.ExtensionType, bool]],
) -> bytes:
    def named(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    now, day = datetime.datetime.now(datetime.UTC), datetime.timedelta(days=1)
    builder = (
        x509.CertificateBuilder()
        .subject_name(named(name))
        .issuer_name(named("fedfer test CA"))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - day)
        .not_valid_after(now + day)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
        )
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return builder.sign(signer, hashes.SHA256()).public_bytes(as_bytes.Encoding.PEM)


def _private(key: ec.EllipticCurvePrivateKey, form: as_bytes.PrivateFormat) -> bytes:
    return key.private_bytes(as_bytes.Encoding.PEM, form, as_bytes.NoEncryption())
