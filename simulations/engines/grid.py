"""The base of our own Grids: the part of Flower's Grid that a run needs."""

from collections.abc import Iterable
from itertools import count
from typing import Any

from flwr.app import Context, Message, RecordDict
from flwr.serverapp import Grid

RUN = 1  # Flower's number of the run


class PlainGrid(Grid):
    """Registers neither runs nor nodes with Flower's services: nodes are just numbers."""

    def __init__(self) -> None:
        sender()
        self._numbers = count(1)

    def name(self, message: Message) -> str:
        """Gives the message its id, as Flower's runtimes do on sending."""
        name = str(next(self._numbers))
        message.metadata.__dict__["_message_id"] = name
        return name

    def set_run(self, run: Any) -> None:
        """Nothing depends on the run."""

    @property
    def run(self) -> Any:
        """No run of Flower's is registered."""
        return None

    def create_message(self, *args: Any, **kwargs: Any) -> Message:
        """As in Flower's own grids: use the constructor of Message."""
        raise NotImplementedError("use Message(...)")

    def get_nodes(self) -> Any:
        """As in those of Flower's grids that know only the nodes' numbers."""
        raise NotImplementedError("use get_node_ids()")

    def send_and_receive(
        self, messages: Iterable[Message], *, timeout: float | None = None
    ) -> Iterable[Message]:
        """The replies to the messages."""
        return self.pull_messages(self.push_messages(messages))


def sender() -> None:
    """Sets the sender's ids that messages in this process need; Flower's runtimes set them otherwise."""
    from flwr.supercore.task_identity import TaskIdentity

    TaskIdentity.task_id = TaskIdentity.run_id = TaskIdentity.node_id = RUN


def context(node: int = 0) -> Context:
    """The context that an app is called with."""
    return Context(run_id=RUN, node_id=node, node_config={}, state=RecordDict(), run_config={})
