"""A Ray cluster that is there already, which the environment variable RAY_ADDRESS names.

Without it, or with RAY_ADDRESS=local, a run begins a Ray of its own.
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
from fer_models.quiet import OFF, hush
from simulations.engines.interrupt import handlers, restore
from simulations.engines.standing import nowhere

VARIABLE = "RAY_ADDRESS"
_PATIENCE = 10.0  # seconds in which a cluster answers
_SOON = 2.0  # seconds in which a server says its first word
_SETTINGS = 4  # the type of the first frame of HTTP/2: its fourth byte
_ALIVE = "/ray.rpc.NodeInfoGcsService/CheckAlive"  # what Ray's head node answers, and no other server


def cpus() -> int | None:
    """The CPUs of the cluster; None where none is named; InputError where it does not answer."""
    named = os.environ.get(VARIABLE, "")
    return None if named in ("", "local") else _cpus(named)


@lru_cache(maxsize=1)
def _cpus(named: str) -> int:
    import ray

    with joined():
        return int(ray.cluster_resources().get("CPU", 0))


@contextmanager
def joined() -> Iterator[None]:
    """Connected to the cluster; InputError where it does not answer as one does."""
    hush()
    named = os.environ[VARIABLE]
    _check(named)
    import ray

    before = handlers()  # which Ray replaces by its own
    try:
        with tempfile.TemporaryDirectory(prefix="fedfer-") as empty, nowhere(Path(empty)):
            ray.init(
                address=named,
                log_to_driver=False,
                logging_level=logging.ERROR,
                runtime_env={"env_vars": OFF},  # nodes there began without this process's environment
            )
    except Exception as error:  # Ray's are of many kinds: of another version, of a damaged state ...
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
    """InputError unless a Ray answers there: Ray itself would wait for minutes."""
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
        f"{VARIABLE}={named}: another server answers there, no Ray (nor is its dashboard, of HTTP); give"
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
            return  # only a Ray wants its token
        if code == grpc.StatusCode.UNIMPLEMENTED:
            raise other from error
        raise InputError(
            f"{VARIABLE}={named}: no Ray cluster answered within {_PATIENCE:.0f} s; {_ADVICE}"
        ) from error
    finally:
        channel.close()


def _foreign(address: str) -> bool:
    """Whether a server at HOST:PORT answers the greeting of HTTP/2, in which Ray is spoken, in another way.

    Who does not listen there, or says nothing, is left for gRPC to ask.
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
