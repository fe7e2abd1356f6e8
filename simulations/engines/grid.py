"""What Grids of our own have in common: of Flower's Grid, the part that a run needs."""

from collections.abc import Iterable
from itertools import count
from typing import Any

from flwr.app import Context, Message, RecordDict
from flwr.serverapp import Grid

RUN = 1  # Flower's number of the run


class PlainGrid(Grid):
    """Neither runs nor nodes are registered with any of Flower's services: nodes are numbers."""

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
        """As Flower's own grids: the constructor of Message is the way."""
        raise NotImplementedError("write Message(...)")

    def get_nodes(self) -> Any:
        """As Flower's own grids where nothing but numbers is known of nodes."""
        raise NotImplementedError("ask get_node_ids()")

    def send_and_receive(
        self, messages: Iterable[Message], *, timeout: float | None = None
    ) -> Iterable[Message]:
        """The answers to the messages."""
        return self.pull_messages(self.push_messages(messages))


def sender() -> None:
    """What a message must be able to say of its sender in this process; Flower's runtimes set it."""
    from flwr.supercore.task_identity import TaskIdentity

    TaskIdentity.task_id = TaskIdentity.run_id = TaskIdentity.node_id = RUN


def context(node: int = 0) -> Context:
    """What an app is called with."""
    return Context(run_id=RUN, node_id=node, node_config={}, state=RecordDict(), run_config={})
