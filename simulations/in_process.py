"""The rounds in this process: a Flower Grid whose nodes take turns here, without Ray and without a wire.

The same ServerApp and ClientApp as on Ray, hence the same bits. It starts at once and uses one core: for
short runs, for many of them side by side, and to look into a run with a debugger.
"""

from collections.abc import Iterable
from itertools import count
from typing import Any

from flwr.app import Context, Message, RecordDict
from flwr.clientapp import ClientApp
from flwr.serverapp import Grid

_RUN = 1  # Flower's number of the run


class InProcessGrid(Grid):
    """Nodes with these numbers, that answer a message as it is sent."""

    def __init__(self, app: ClientApp, nodes: Iterable[int]) -> None:
        from flwr.supercore.task_identity import TaskIdentity

        # What a message must be able to say of its sender; Flower's runtimes set it for each task.
        TaskIdentity.task_id = TaskIdentity.run_id = TaskIdentity.node_id = _RUN
        self._app, self._nodes = app, list(nodes)
        self._numbers, self._replies = count(1), dict[str, Message]()

    def set_run(self, run: Any) -> None:
        """Nothing depends on the run."""

    @property
    def run(self) -> Any:
        """No run of Flower's is registered."""
        return None

    def create_message(self, *args: Any, **kwargs: Any) -> Message:
        """As Flower's own grids: the constructor of Message is the way."""
        raise NotImplementedError("write Message(...)")

    def get_node_ids(self) -> Iterable[int]:
        """The numbers of the nodes."""
        return self._nodes

    def get_nodes(self) -> Any:
        """As Flower's own grids where nothing but numbers is known of nodes."""
        raise NotImplementedError("ask get_node_ids()")

    def push_messages(self, messages: Iterable[Message]) -> Iterable[str]:
        """Has each node answer its message."""
        pushed = []
        for message in messages:
            node, name = message.metadata.dst_node_id, str(next(self._numbers))
            message.metadata.__dict__["_message_id"] = name  # which Flower's runtimes give on sending
            self._replies[name] = self._app(message, context(node))
            pushed.append(name)
        return pushed

    def pull_messages(self, message_ids: Iterable[str]) -> Iterable[Message]:
        """The answers, once."""
        return [self._replies.pop(name) for name in message_ids if name in self._replies]

    def send_and_receive(
        self, messages: Iterable[Message], *, timeout: float | None = None
    ) -> Iterable[Message]:
        """The answers to the messages."""
        return self.pull_messages(self.push_messages(messages))


def context(node: int = 0) -> Context:
    """What an app is called with."""
    return Context(run_id=_RUN, node_id=node, node_config={}, state=RecordDict(), run_config={})
