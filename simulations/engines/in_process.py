"""The rounds in this process: a Flower Grid whose nodes take turns, without Ray or a network.

The same ServerApp and ClientApp as on Ray, hence the same bits. It starts at once and uses one core: for
short runs, for many of them in parallel, and for debugging.
"""

from collections.abc import Iterable

from flwr.app import Message
from flwr.clientapp import ClientApp

from simulations.engines.grid import PlainGrid, context


class InProcessGrid(PlainGrid):
    """Nodes with these numbers, which answer each message as it is sent."""

    def __init__(self, app: ClientApp, nodes: Iterable[int]) -> None:
        super().__init__()
        self._app, self._nodes = app, list(nodes)
        self._replies = dict[str, Message]()

    def get_node_ids(self) -> Iterable[int]:
        """The numbers of the nodes."""
        return self._nodes

    def push_messages(self, messages: Iterable[Message]) -> Iterable[str]:
        """Has each node answer its message."""
        pushed = []
        for message in messages:
            name = self.name(message)
            self._replies[name] = self._app(message, context(message.metadata.dst_node_id))
            pushed.append(name)
        return pushed

    def pull_messages(self, message_ids: Iterable[str]) -> Iterable[Message]:
        """The replies, each returned once."""
        return [self._replies.pop(name) for name in message_ids if name in self._replies]
