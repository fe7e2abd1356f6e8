"""Flower as its own tutorials use it: one node per phone, its FedAvg, an ordinary PyTorch loop on each node.

The contender that `fedfer speed` compares this project with, so it must be a fair one: a linear layer,
CrossEntropyLoss and Adam on the phone's own features, memory-mapped, on one torch thread. Phones go through
their views in the order that `fer_models.local.training` gives them: both must end with the same head.
"""

import time
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import FedAvg

from fer_models.errors import RunError
from fer_models.heads import as_arrays, from_arrays
from fer_models.local import kernel
from fer_models.local.phone_rows import PhoneRows
from fer_models.order import Order

if TYPE_CHECKING:
    import torch

app = ClientApp()


@app.train()
def train(message: Message, context: Context) -> Message:
    """Trains the phone that is this node, from the head in the message; replies with its head."""
    import torch

    torch.set_num_threads(1)
    config = dict(message.content.config_records["config"])
    order = Order.from_scalars({"round": config.pop("server-round"), **config})
    shards, phone = _shards(order.prepared), int(context.node_config["partition-id"])
    state, loss = train_phone(
        shards, phone, message.content.array_records["arrays"].to_torch_state_dict(), order
    )
    metrics = MetricRecord({"train_loss": loss, "num-examples": int(shards.sizes[phone])})
    return Message(RecordDict({"arrays": ArrayRecord(state), "metrics": metrics}), reply_to=message)


def train_phone(
    shards: PhoneRows, phone: int, start: "dict[str, torch.Tensor]", order: Order
) -> "tuple[dict[str, torch.Tensor], float]":
    """One phone's local epochs without dropout: the state dict of its linear layer, and the last loss."""
    import torch

    rows = shards.rows[shards.offsets[phone] : shards.offsets[phone + 1]]
    features, labels = torch.from_numpy(shards.features[rows]), torch.from_numpy(shards.labels[rows])
    model = torch.nn.Linear(features.shape[1], len(start["bias"]))
    model.load_state_dict(start)
    criterion = torch.nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=order.lr)
    for epoch in range(order.epochs):
        views = torch.from_numpy(_view_order(order.key, phone, epoch, len(rows)))
        for batch in views.split(order.batch):
            optimizer.zero_grad()
            loss = criterion(model(features[batch]), labels[batch])
            loss.backward()
            optimizer.step()
    return model.state_dict(), loss.item()


def make_server(
    order: Order, phones: int, rounds: int, head: np.ndarray, on_round: Callable[[float, np.ndarray], None]
) -> ServerApp:
    """Flower's FedAvg over `phones` nodes, all of them in every round; `on_round` gets seconds and head.

    RunError if a phone did not reply.
    """
    server = ServerApp()

    @server.main()
    def main(grid: Grid, context: Context) -> None:
        came, since = 0, 0.0

        def count(replies: list[RecordDict], weight: str) -> MetricRecord:
            nonlocal came
            came = len(replies)
            return MetricRecord({"phones": came})

        def after_round(number: int, arrays: ArrayRecord) -> None:
            nonlocal since
            now = time.perf_counter()
            if number:
                if came != phones:
                    raise RunError(f"only {came} of {phones} phones replied in round {number}")
                on_round(now - since, from_arrays({name: array.numpy() for name, array in arrays.items()}))
            since = time.perf_counter()

        strategy = FedAvg(
            fraction_evaluate=0.0,
            min_train_nodes=phones,
            min_available_nodes=phones,
            train_metrics_aggr_fn=count,
        )
        settings = order.scalars()
        del settings["round"]  # Flower adds the round's number by itself
        strategy.start(
            grid,
            ArrayRecord({name: Array(array) for name, array in as_arrays(head).items()}),
            num_rounds=rounds,
            train_config=ConfigRecord(settings),
            evaluate_fn=after_round,
        )

    return server


@lru_cache(maxsize=1)
def _shards(prepared: str) -> PhoneRows:
    return PhoneRows.load(Path(prepared))


def _view_order(key: int, phone: int, epoch: int, views: int) -> np.ndarray:
    """The order in which the compiled update goes through a phone's views."""
    keys = np.uint64(key)
    for label in (phone, epoch, 0):
        keys = np.uint64(kernel.sub_key(keys, np.uint64(label)))
    order: np.ndarray = kernel.shuffled(keys, views)
    return order
