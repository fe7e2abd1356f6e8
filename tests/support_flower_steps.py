"""What came back in a drawn round, and the step that Flower's own strategies take from it."""

import numpy as np
from flwr.app import Array, ArrayRecord, Message, MetricRecord, RecordDict
from flwr.serverapp.strategy import FedAvg
from flwr.supercore.task_identity import TaskIdentity

from server.strategies.base import RoundUpdates

SHAPE = (3, 7)


def came(updates: object, views: object = None, losses: object = None) -> RoundUpdates:
    """A round of updates (k, C, D + 1); every phone has one view where none are given."""
    stack = np.array(updates, np.float32)
    weights = np.ones(len(stack), np.int64) if views is None else np.array(views)
    return RoundUpdates(
        phones=np.arange(len(stack)),
        views=weights,
        mean=np.average(stack.astype(np.float64), axis=0, weights=weights),
        updates=stack,
        losses=None if losses is None else np.array(losses, np.float64),
        steps=-(-weights // 16),
        own=1 + stack,
        rates=np.full(len(stack), 0.03),
        measured={
            "gradient": -stack,
            "class_counts": np.abs(stack[..., 0]),
            "class_means": stack,
            "squares": 2 * (stack**2).sum(axis=(1, 2)),
        },
    )


def drawn(phones: int, seed: int = 0, scale: float = 0.01) -> RoundUpdates:
    rng = np.random.default_rng(seed)
    updates = rng.normal(0.3, 1, (phones, *SHAPE)) * scale
    return came(updates, rng.integers(1, 90, phones), rng.uniform(0.2, 3, phones))


def flower_step(strategy: FedAvg, head: np.ndarray, back: RoundUpdates, *, number: int = 1) -> np.ndarray:
    """The head after `strategy` has aggregated the same replies, each with its phone's head in float64."""
    assert back.updates is not None
    TaskIdentity.task_id, TaskIdentity.run_id, TaskIdentity.node_id = 1, 1, 1
    strategy.current_arrays = records(head)  # type: ignore[attr-defined]
    if hasattr(strategy, "m_t"):
        strategy.current_arrays = {"head": head.astype(np.float64)}
    replies = []
    for i, update in enumerate(back.updates):
        order = Message(RecordDict(), dst_node_id=i + 1, message_type="train")
        order.metadata.__dict__["_message_id"] = f"m{i}"
        counts = {"num-examples": int(back.views[i])}
        loss = {} if back.losses is None else {"train_loss": float(back.losses[i])}
        content = RecordDict({"arrays": records(head + update), "metrics": MetricRecord({**counts, **loss})})
        replies.append(Message(content, reply_to=order))
    arrays, _ = strategy.aggregate_train(number, replies)
    assert arrays is not None
    return arrays["head"].numpy()


def records(head: np.ndarray) -> ArrayRecord:
    return ArrayRecord({"head": Array(head.astype(np.float64))})
