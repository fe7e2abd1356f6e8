"""The Grid in this process as the network would have it: random ids, replies in any order, broken nodes."""

from collections.abc import Iterable

import numpy as np
from flwr.app import Message
from flwr.clientapp import ClientApp
from flwr.common import Error
from flwr.serverapp import ServerApp

from clients.app import app as client_app
from simulations.engines.grid import context
from simulations.engines.in_process import InProcessGrid


class LocalGrid(InProcessGrid):
    """Nodes with random ids, as Flower has them; replies come in a seeded random order.

    `broken` nodes raise instead of answering, as a client error reaches the server.
    """

    def __init__(
        self, nodes: int, seed: int = 0, app: ClientApp = client_app, broken: tuple[int, ...] = ()
    ) -> None:
        self._rng = np.random.default_rng(seed)
        self.ids = [int(i) for i in self._rng.choice(2**62, nodes, replace=False)]
        self.broken = {self.ids[b] for b in broken}
        super().__init__(app, self.ids)

    def send_and_receive(
        self, messages: Iterable[Message], *, timeout: float | None = None
    ) -> Iterable[Message]:
        replies: list[Message] = []
        for message in messages:
            ill = message.metadata.dst_node_id in self.broken and message.metadata.message_type != "query"
            (name,) = self.push_messages([message])
            (reply,) = self.pull_messages([name])
            replies.append(Message(Error(code=2, reason="out of memory"), reply_to=message) if ill else reply)
        return [replies[i] for i in self._rng.permutation(len(replies))]


def serve(app: ServerApp, grid: LocalGrid) -> None:
    app(grid, context())
