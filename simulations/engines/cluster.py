"""An existing Ray cluster, named by the environment variable RAY_ADDRESS.

Without it, or with RAY_ADDRESS=local, a run starts its own Ray.
"""

import logging
import os
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

from fer_models.errors import InputError, first_cause
from fer_models.machine.quiet import OFF, hush
from simulations.engines.interrupt import handlers, restore
from simulations.engines.standing import nowhere

VARIABLE = "RAY_ADDRESS"
_PATIENCE = 10.0  # seconds that a cluster has to answer
_SOON = 2.0  # seconds that a server has to send its first bytes
_SETTINGS = 4  # the type of the first frame of HTTP/2: its fourth byte
_ALIVE = "/ray.rpc.NodeInfoGcsService/CheckAlive"  # answered by Ray's head node only


def cpus() -> int | None:
    """The CPUs of the cluster; None if none is named; InputError if it does not answer."""
    named = os.environ.get(VARIABLE, "")
    return None if named in ("", "local") else _cpus(named)


@lru_cache(maxsize=1)
def _cpus(named: str) -> int:
    import ray

    with joined():
        return int(ray.cluster_resources().get("CPU", 0))


@contextmanager
def joined() -> Iterator[None]:
    """Connects to the cluster for the block; InputError if there is no Ray cluster to join."""
    hush()
    named = os.environ[VARIABLE]
    _check(named)
    import ray

    before = handlers()  # Ray replaces them by its own
    try:
        with tempfile.TemporaryDirectory(prefix="fedfer-") as empty, nowhere(Path(empty)):
            ray.init(
                address=named,
                log_to_driver=False,
                logging_level=logging.ERROR,
                runtime_env={"env_vars": OFF},  # nodes there do not inherit this environment
            )
    except Exception as error:  # Ray raises many kinds: another version, a damaged state ...
        raise InputError(
            f"{VARIABLE}={named}: the cluster cannot be joined ({first_cause(error)}); {_ADVICE}"
        ) from error
    finally:
        restore(before)
    try:
        yield
    finally:
        ray.shutdown()
        restore(before)


_ADVICE = f"start one (docs/cluster.md), or unset {VARIABLE} to use this machine alone"


def _check(named: str) -> None:
    """InputError unless a Ray cluster answers there: Ray itself would wait for minutes."""
    import grpc
    from ray._private.services import canonicalize_bootstrap_address

    if named.startswith("ray://"):
        raise InputError(
            f"{VARIABLE}={named} is the address of Ray Client, which is not used here; give HOST:PORT of the"
            " head node, or auto"
        )
    try:
        address = canonicalize_bootstrap_address(named)
    except (ConnectionError, ValueError, OSError) as error:
        raise InputError(f"{VARIABLE}={named}: no Ray cluster is there ({error}); {_ADVICE}") from error
    deadline = time.monotonic() + _PATIENCE
    other = InputError(
        f"{VARIABLE}={named}: another server answers there, not Ray (its dashboard does not count); give"
        f" HOST:PORT of the head node, or {_ADVICE}"
    )
    if any(_foreign(place) for place in dict.fromkeys((address or named, named))):
        raise other
    channel = grpc.insecure_channel(address)
    try:
        grpc.channel_ready_future(channel).result(timeout=max(0.0, deadline - time.monotonic()))
        channel.unary_unary(_ALIVE)(b"", timeout=max(_SOON, deadline - time.monotonic()))
    except (grpc.FutureTimeoutError, grpc.RpcError) as error:
        code = error.code() if isinstance(error, grpc.RpcError) else None
        if code in (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED):
            return  # only Ray asks for its token
        if code == grpc.StatusCode.UNIMPLEMENTED:
            raise other from error
        raise InputError(
            f"{VARIABLE}={named}: no Ray cluster answered within {_PATIENCE:.0f} s; {_ADVICE}"
        ) from error
    finally:
        channel.close()


def _foreign(address: str) -> bool:
    """Whether a server at HOST:PORT does not answer the preface of HTTP/2, Ray's protocol, with HTTP/2.

    If nothing listens there, or nothing comes back, gRPC finds out.
    """
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=_SOON) as connection:
            connection.sendall(
                b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, _SETTINGS, 0, 0, 0, 0, 0])
            )
            said = connection.recv(4)
    except (OSError, ValueError):
        return False
    return len(said) == 4 and said[3] != _SETTINGS
