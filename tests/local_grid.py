"""A Grid in this process: a real ServerApp talks to a real ClientApp, without Ray and without a wire."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from flwr.app import Context, Message, RecordDict
from flwr.clientapp import ClientApp
from flwr.common import Error
from flwr.serverapp import Grid, ServerApp
from flwr.supercore.task_identity import TaskIdentity

from clients.app import app as client_app


class LocalGrid(Grid):
    """Nodes with random ids, as Flower has them; replies come in a seeded random order.

    `broken` nodes raise instead of answering, as a client error reaches the server.
    """

    def __init__(
        self, nodes: int, seed: int = 0, app: ClientApp = client_app, broken: tuple[int, ...] = ()
    ) -> None:
        self._rng = np.random.default_rng(seed)
        self.ids = [int(i) for i in self._rng.choice(2**62, nodes, replace=False)]
        self.app, self.broken, self.sent = app, {self.ids[b] for b in broken}, 0
        TaskIdentity.task_id, TaskIdentity.run_id, TaskIdentity.node_id = 1, 1, 1

    def set_run(self, run: Any) -> None: ...

    @property
    def run(self) -> Any:
        return None

    def create_message(self, *args: Any, **kwargs: Any) -> Message:
        raise AssertionError("the Message constructor is used instead")

    def get_node_ids(self) -> Iterable[int]:
        return list(self.ids)

    def get_nodes(self) -> Any:
        raise AssertionError("not asked for")

    def push_messages(self, messages: Iterable[Message]) -> Iterable[str]:
        raise AssertionError("send_and_receive is used instead")

    def pull_messages(self, message_ids: Iterable[str]) -> Iterable[Message]:
        raise AssertionError("send_and_receive is used instead")

    def send_and_receive(self, messages: Iterable[Message], *, timeout: float | None = None) -> list[Message]:
        replies = []
        for message in messages:
            node = message.metadata.dst_node_id
            message.metadata.__dict__["_message_id"] = f"m{self.sent}"
            self.sent += 1
            if node in self.broken and message.metadata.message_type == "train":
                replies.append(Message(Error(code=2, reason="out of memory"), reply_to=message))
            else:
                replies.append(self.app(message, context(node)))
        return [replies[i] for i in self._rng.permutation(len(replies))]


def context(node: int = 0) -> Context:
    return Context(run_id=1, node_id=node, node_config={}, state=RecordDict(), run_config={})


def serve(app: ServerApp, grid: Grid) -> None:
    app(grid, context())
