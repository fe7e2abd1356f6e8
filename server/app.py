"""The server's end of the wire: a Flower ServerApp that runs the rounds and hands out what happened."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, Context, Message, MessageType, MetricRecord, RecordDict
from flwr.serverapp import Grid, ServerApp

from fer_models.across import OwnParts
from fer_models.errors import RunError
from fer_models.evaluation import HeldOut
from fer_models.heads import payload
from fer_models.runlog import RoundRecord
from server import own_heads
from server.algorithm import Algorithm
from server.checkpoint import Checkpoint
from server.config import EvaluationConfig
from server.evaluation import Judged, judged
from server.strategies import BlockStrategy, Folded, Plan, reason

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
    own_validation: OwnParts | None = None  # the validation photos, each on one phone
    adapting: np.ndarray | None = None  # (k,) int64, sorted: who trains the chosen head further; None: nobody
    on_adapted: Callable[[np.ndarray], None] = lambda heads: None  # their own heads (k, C, D + 1)


def make_app(job: Job) -> ServerApp:
    """The ServerApp of one job; what it finds out, it hands to the job's callbacks."""
    app = ServerApp()

    @app.main()
    def main(grid: Grid, context: Context) -> None:
        if hasattr(grid, "pull_interval"):  # of the simulation's grid, 0.1 s if left alone: half of a round
            grid.pull_interval = _PULL_INTERVAL
        strategy = BlockStrategy(job.plan, job.start.number, job.start.state)
        selection = job.start.selection
        head = ArrayRecord({"values": Array(job.start.head)})
        _greet(grid, strategy, head, job.nodes)

        def after_round(server_round: int, arrays: ArrayRecord) -> MetricRecord | None:
            nonlocal selection
            if server_round == 0 or strategy.folded is None:
                return None
            folded, strategy.folded = strategy.folded, None
            head = arrays["values"].numpy()
            record = _record(job, folded, head, strategy.algorithm)
            selection = selection.after(head, folded.number, record.val_macro_f1)
            job.on_round(record, Checkpoint(folded.number, head, selection, state=folded.state))
            return None

        strategy.start(
            grid, head, num_rounds=job.rounds - job.start.number, timeout=_FOREVER, evaluate_fn=after_round
        )
        if job.adapting is not None:
            job.on_adapted(strategy.adapt(grid, selection.head, job.adapting, job.rounds))

    return app


def _record(job: Job, folded: Folded, head: np.ndarray, algorithm: Algorithm) -> RoundRecord:
    found = Judged()
    if folded.number % job.evaluation.every == 0 or folded.number == job.rounds:
        own = own_heads.of(folded.state)
        found = judged(head, job.validation, job.own_validation, own, instead=algorithm.own == "instead")
    return RoundRecord(
        round=folded.number,
        phones=folded.phones,
        photos=folded.photos,
        train_loss=folded.train_loss,
        seconds=folded.seconds,
        bytes_down=folded.phones * algorithm.heads_down * payload(head),
        bytes_up=folded.phones * algorithm.heads_up * payload(head),
        wire_bytes=folded.wire_bytes,
        **vars(found),
    )


def _greet(grid: Grid, strategy: BlockStrategy, head: ArrayRecord, nodes: int) -> None:
    """Waits for the nodes and has each open its data and load its code, so that no round pays for it."""
    deadline = time.monotonic() + _PATIENCE
    while (found := len(list(grid.get_node_ids()))) < nodes:
        if time.monotonic() > deadline:
            raise RunError(
                f"only {found} of {nodes} nodes came within {_PATIENCE} s; see the logs of the run"
            )
        time.sleep(0.01)
    content = RecordDict({"head": head, "order": ConfigRecord(strategy.order(0).scalars())})
    messages = [
        Message(content, dst_node_id=node, message_type=MessageType.QUERY)
        for node in sorted(grid.get_node_ids())
    ]
    phones = len(strategy.plan.sizes)
    for reply in grid.send_and_receive(messages):
        if reply.has_error():
            raise RunError(f"a node could not get ready: {reason(reply)}")
        if (there := reply.content.metric_records["phones"]["phones"]) != phones:
            raise RunError(
                f"a node found {there} phones in the prepared data, the server {phones}; start again"
            )
