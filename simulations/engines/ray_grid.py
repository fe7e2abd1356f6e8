"""The rounds on Ray: a Flower Grid whose nodes are Ray actors, called as messages are sent.

The same ServerApp and ClientApp as on Flower's simulation runtime, hence the same bits; nothing in between
polls or stores messages. A lost worker yields an error as its reply and is replaced; one that hangs for
longer than the server waits is replaced as well.
"""

import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import ray
from flwr.app import ArrayRecord, Error, Message, RecordDict
from flwr.clientapp import ClientApp
from flwr.common.constant import ErrorCode
from ray.exceptions import GetTimeoutError, RayError, RayTaskError

from fer_models.errors import RunError, first_cause
from fer_models.machine.code import difference, node_code
from simulations.engines.grid import PlainGrid, context, sender

_PATIENCE = 60.0  # seconds that a new worker has to start, if none is left
_LARGE = 100_000  # bytes; Ray sends smaller arguments along with the call


class RayGrid(PlainGrid):
    """`nodes` nodes, each a Ray actor with the app; a lost one is replaced under a new number."""

    def __init__(self, app: ClientApp, nodes: int) -> None:
        super().__init__()
        self._app = ray.put(app)
        self._workers = dict[int, Any]()
        self._coming = dict[Any, tuple[int, Any]]()  # the call that says it has started -> worker
        self._calls = dict[str, tuple[Any, Message]]()
        self._made = 0
        for _ in range(nodes):
            number, worker = self._begun()
            self._workers[number] = worker
        signs = [worker.started.remote() for worker in self._workers.values()]
        there, _ = ray.wait(signs, num_returns=nodes, timeout=_PATIENCE)
        if len(there) < nodes:
            raise RunError(
                f"only {len(there)} of {nodes} nodes started within {_PATIENCE:.0f} s: the Ray cluster is"
                " in use by others; wait for them, or lower federation.nodes"
            )

    def get_node_ids(self) -> Iterable[int]:
        """The numbers of the live nodes; waits for one if all were lost."""
        if self._coming:
            started, _ = ray.wait(
                list(self._coming),
                num_returns=1 if not self._workers else len(self._coming),
                timeout=0 if self._workers else _PATIENCE,
            )
            for sign in started:
                number, worker = self._coming.pop(sign)
                self._workers[number] = worker
        if not self._workers:
            raise RunError(f"all nodes were lost, and no new one started within {_PATIENCE:.0f} s")
        return list(self._workers)

    def push_messages(self, messages: Iterable[Message]) -> Iterable[str]:
        """Calls the node of each message; large records for several of them are handed to Ray once."""
        messages, pushed = list(messages), []
        put = _put_once(messages)
        for message in messages:
            metadata, name = message.metadata, self.name(message)
            own = RecordDict({key: r for key, r in message.content.items() if id(r) not in put})
            small = Message(own, dst_node_id=metadata.dst_node_id, message_type=metadata.message_type)
            small.metadata.__dict__["_message_id"] = name
            common = {key: put[id(r)] for key, r in message.content.items() if id(r) in put}
            worker = self._workers.get(metadata.dst_node_id)
            if worker is not None:
                call = worker.answer.remote(small, list(common), *common.values())
                self._calls[name] = call, message
                pushed.append(name)
        return pushed

    def send_and_receive(
        self, messages: Iterable[Message], *, timeout: float | None = None
    ) -> Iterable[Message]:
        """The replies that arrive within `timeout` seconds; a node without one is replaced."""
        deadline = None if timeout is None else time.monotonic() + timeout
        names = self.push_messages(messages)
        replies = [self._answer(*self._calls.pop(name), deadline) for name in names]
        return [reply for reply in replies if reply is not None]

    def pull_messages(self, message_ids: Iterable[str]) -> Iterable[Message]:
        """The replies, once all have arrived; an error for a node that failed or was lost."""
        names = [name for name in message_ids if name in self._calls]
        replies = [self._answer(*self._calls.pop(name)) for name in names]
        return [reply for reply in replies if reply is not None]

    def _answer(self, call: Any, message: Message, deadline: float | None = None) -> Message | None:
        """The reply to a message, None if the node hangs. Nodes that are lost or hang are replaced."""
        left = None if deadline is None else max(0.001, deadline - time.monotonic())
        try:
            reply: Message = ray.get(call, timeout=left)
            return reply
        except GetTimeoutError:
            self._replace(message.metadata.dst_node_id)
            return None
        except RayTaskError as error:
            code, why = ErrorCode.CLIENT_APP_RAISED_EXCEPTION, first_cause(error.cause)
        except RayError as error:  # such as RayActorError; others mean that the reply was lost
            code, why = ErrorCode.CLIENT_APP_CRASHED, _lost(error)
            self._replace(message.metadata.dst_node_id)
        return Message(Error(code=code, reason=why), reply_to=message)

    def _replace(self, node: int) -> None:
        """Starts a new worker in place of a lost one."""
        if (lost := self._workers.pop(node, None)) is not None:
            ray.kill(lost)
            number, worker = self._begun()
            self._coming[worker.started.remote()] = number, worker

    def _begun(self) -> tuple[int, Any]:
        self._made += 1
        # Task events are for Ray's dashboard, and Ray's server would keep those of 100,000 calls.
        kind: Any = ray.remote(num_cpus=1)(Worker)
        return self._made, kind.options(enable_task_events=False).remote(self._app, self._made)


class Worker:
    """A node: the app in a Ray process."""

    def __init__(self, app: ClientApp, node: int) -> None:
        sender()
        self._app, self._node = app, node

    def started(self) -> None:
        """Returns once the worker is up."""

    def answer(self, message: Message, names: list[str], *records: Any) -> Message:
        """The app's reply to the message with `records` put back under their `names`."""
        message.content.update(zip(names, records, strict=True))
        return self._app(message, context(self._node))


def try_node(logs: Path) -> None:
    """Has one Ray worker load the code of a node; RunError if it cannot, or if its code differs from ours."""
    call = ray.remote(num_cpus=1, max_retries=0)(_installed).remote()
    there, _ = ray.wait([call], timeout=_PATIENCE)
    if not there:
        ray.cancel(call, force=True)
        raise RunError(
            f"no node started within {_PATIENCE:.0f} s: the Ray cluster is in use by others, or Ray cannot"
            f" start a process; wait for them, or see its logs in {logs}"
        )
    try:
        place, code = ray.get(call)
    except RayTaskError as error:
        raise RunError(f"a node cannot start: {first_cause(error.cause)}; its logs are in {logs}") from error
    except RayError as error:
        raise RunError(f"a node cannot start: {_lost(error)}; its logs are in {logs}") from error
    here, own = _installed()
    if other := difference(own, code):
        raise RunError(
            f"nodes run different code ({other}): theirs is in {place}, this command's in {here};"
            " install the same for both, or run the fedfer of that installation"
        )


def end_actors() -> None:
    """Ends every actor that this process started, whatever still refers to it."""
    from ray._private import state, worker

    here: Any = worker.global_worker
    for actor in state.actors(job_id=here.current_job_id, actor_state_name="ALIVE"):
        here.core_worker.kill_actor(ray.ActorID.from_hex(actor), True)


def _installed() -> tuple[str, dict[str, str]]:
    """Where the program that this process imports is installed, and the code that its replies depend on."""
    from clients import app

    return str(Path(app.__file__).parents[1]), dict(node_code())


def _lost(error: RayError) -> str:
    """How a process was lost, in one line; if it could not start, Ray's last line has the cause."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    begun = not getattr(error, "actor_init_failed", False)
    return f"its process was lost ({type(error).__name__})" if begun or not lines else lines[-1]


def _put_once(messages: list[Message]) -> dict[int, Any]:
    """References to the records that are large and in several of the messages, by the records' id()."""
    records = [record for message in messages for record in message.content.values()]
    uses = Counter(map(id, records))
    return {
        id(record): ray.put(record)
        for record in {id(r): r for r in records}.values()
        if uses[id(record)] > 1 and isinstance(record, ArrayRecord) and record.count_bytes() > _LARGE
    }
