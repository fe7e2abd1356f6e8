"""The server's end of the wire: a Flower ServerApp that runs the rounds and hands out what happened."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, Context, Message, MessageType, MetricRecord, RecordDict
from flwr.serverapp import Grid, ServerApp

from fer_models.across import OwnParts
from fer_models.code import difference, node_code
from fer_models.errors import RunError
from fer_models.evaluation import HeldOut
from fer_models.heads import Classifier, LinearHead, payload
from fer_models.runlog import RoundRecord
from fer_models.statistics import payload as sums_payload
from fer_models.statistics import projection
from server.block_strategy import BlockStrategy, Folded, Plan
from server.checkpoint import Checkpoint
from server.config import EvaluationConfig
from server.evaluation import Judged, judged
from server.exchange import reason
from server.strategies import own_heads, ridge
from server.strategies.registry import make

_PATIENCE = 120  # seconds that nodes have to appear
_FOREVER = 1e9  # seconds: a round takes as long as it takes
_PULL_INTERVAL = 0.003  # seconds


@dataclass(frozen=True)
class Job:
    """A federated run from `start` to the end of round `rounds`."""

    plan: Plan
    start: Checkpoint  # round 0 with a new head, or where a run left off
    rounds: int
    nodes: int  # that the run waits for
    evaluation: EvaluationConfig
    validation: HeldOut
    on_round: Callable[[RoundRecord, Checkpoint], None]  # after each round
    classifier: Callable[[np.ndarray], Classifier] = LinearHead  # makes of a head what answers
    own_validation: OwnParts | None = None  # the validation photos, each on one phone
    adapting: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))  # who trains further, sorted
    on_adapted: Callable[[np.ndarray], None] = lambda heads: None  # their own heads (k, C, D + 1)
    recipe: Mapping[str, Any] | None = None  # where nodes are phones: what they need to prepare their photos


def make_app(job: Job) -> ServerApp:
    """The ServerApp of one job; what it finds out, it hands to the job's callbacks."""
    app = ServerApp()

    @app.main()
    def main(grid: Grid, context: Context) -> None:
        if hasattr(grid, "pull_interval"):  # of the simulation's grid, 0.1 s if left alone: half of a round
            grid.pull_interval = _PULL_INTERVAL
        strategy = BlockStrategy(job.plan, job.start.number, job.start.state)
        selection, start, sent_before = job.start.selection, job.start.head, 0
        _greet(grid, strategy, job)
        if job.plan.strategy.name == "ridge":
            _ridge(grid, strategy, job)
            return
        if job.plan.strategy.start == "ridge" and job.start.number == 0:
            _, start, sent_before = _sums(grid, strategy, job)

        def after_round(server_round: int, arrays: ArrayRecord) -> MetricRecord | None:
            nonlocal selection
            if server_round == 0 or strategy.folded is None:
                return None
            folded, strategy.folded = strategy.folded, None
            head, algorithm = arrays["values"].numpy(), strategy.algorithm
            size = folded.phones * payload(head)
            up = algorithm.heads_up * size + (sent_before if folded.number == 1 else 0)
            record = _record(job, folded, head, down=algorithm.heads_down * size, up=up)
            selection = selection.after(head, folded.number, record.val_macro_f1)
            job.on_round(record, Checkpoint(folded.number, head, selection, state=folded.state))
            return None

        strategy.start(
            grid,
            ArrayRecord({"values": Array(start)}),
            num_rounds=job.rounds - job.start.number,
            timeout=_FOREVER,
            evaluate_fn=after_round,
        )
        if len(job.adapting):
            job.on_adapted(strategy.adapt(grid, selection.head, job.adapting, job.rounds))

    return app


def _ridge(grid: Grid, strategy: BlockStrategy, job: Job) -> None:
    """The run of ridge regression: its one round."""
    began = time.perf_counter()
    folded, head, sent = _sums(grid, strategy, job)
    folded = replace(folded, seconds=time.perf_counter() - began)
    record = _record(job, folded, head, down=0, up=sent)
    selection = job.start.selection.after(head, 1, record.val_macro_f1)
    job.on_round(record, Checkpoint(1, head, selection, state=folded.state))


def _sums(grid: Grid, strategy: BlockStrategy, job: Job) -> tuple[Folded, np.ndarray, int]:
    """The sums of all phones: what came back, the head of them, the bytes that real phones would send."""
    plan, (classes, width) = job.plan, job.start.head.shape
    sums = strategy.sums(grid, job.start.head)
    smaller = projection(width - 1, plan.strategy.projection, seed=plan.seed)
    head, state = ridge.solve(sums.moments, job.validation, smaller)
    folded = Folded(1, sums.phones, sums.moments.n, None, 0.0, sums.wire_bytes, state, sums.dropped)
    return folded, head, sums.phones * sums_payload(plan.strategy.projection or width - 1, classes)


def _record(job: Job, folded: Folded, head: np.ndarray, *, down: int, up: int) -> RoundRecord:
    """What happened in a round; `down` and `up` are bytes of real phones."""
    found, algorithm = Judged(), make(job.plan.strategy)
    if folded.number % job.evaluation.every == 0 or folded.number == job.rounds:
        own = own_heads.of(folded.state)
        found = judged(
            head,
            job.validation,
            job.own_validation,
            own,
            instead=algorithm.own == "instead",
            classifier=job.classifier,
        )
    return RoundRecord(
        round=folded.number,
        phones=folded.phones,
        photos=folded.photos,
        train_loss=folded.train_loss,
        seconds=folded.seconds,
        bytes_down=down,
        bytes_up=up,
        wire_bytes=folded.wire_bytes,
        dropped=len(folded.dropped),
        dropped_phones={str(phone): why for phone, why in folded.dropped.items()},
        **vars(found),
    )


def _greet(grid: Grid, strategy: BlockStrategy, job: Job) -> None:
    """Waits for the nodes and has each open its data and load its code, so that no round pays for it.

    Where nodes are phones of their own, the strategy learns which is which, and how many views each has.
    """
    _wait(grid, job.nodes)
    content = RecordDict(
        {
            "head": ArrayRecord({"values": Array(job.start.head)}),
            "order": ConfigRecord(strategy.order(0).scalars()),
        }
    )
    if job.recipe is not None:
        content["recipe"] = ConfigRecord(dict(job.recipe))
    messages = [
        Message(content, dst_node_id=node, message_type=MessageType.QUERY)
        for node in sorted(grid.get_node_ids())
    ]
    said = {}
    for reply in grid.send_and_receive(messages):
        if reply.has_error():
            raise RunError(f"a node could not get ready: {reason(reply)}")
        if other := difference(node_code(), dict(reply.content.config_records["code"])):
            raise RunError(
                f"a node runs other code than the server ({other}); install the same on both, and start what"
                " starts the nodes anew"
            )
        said[reply.metadata.src_node_id] = reply.content.metric_records["phones"]
    if job.recipe is not None:
        _settle(strategy, {int(s["phone"]): (node, int(s["views"])) for node, s in said.items()}, len(said))  # type: ignore[arg-type]
        return
    phones = len(strategy.plan.sizes)
    for found in said.values():
        if (there := found["phones"]) != phones:
            raise RunError(
                f"a node found {there} phones in the prepared data, the server {phones}; start again"
            )


def _wait(grid: Grid, nodes: int) -> None:
    """Until so many nodes are there."""
    deadline = time.monotonic() + _PATIENCE
    while (found := len(list(grid.get_node_ids()))) < nodes:
        if time.monotonic() > deadline:
            raise RunError(
                f"only {found} of {nodes} nodes came within {_PATIENCE} s; see the logs of the run"
            )
        time.sleep(0.01)


def _settle(strategy: BlockStrategy, phones: dict[int, tuple[int, int]], nodes: int) -> None:
    """Takes in which node is which phone, and its views; RunError unless they are the phones of the plan."""
    expected = len(strategy.plan.sizes)
    if sorted(phones) != list(range(expected)) or nodes != expected:
        raise RunError(
            f"the {nodes} nodes are the phones {', '.join(map(str, sorted(phones)))}; there must be one node"
            f" for each of 0 to {expected - 1}: see federation.phones, and phone in each node's configuration"
        )
    sizes = np.array([phones[phone][1] for phone in range(expected)])
    strategy.plan = replace(strategy.plan, sizes=sizes)
    strategy.homes = {phone: node for phone, (node, _) in phones.items()}
