"""Before round 1: waits for the nodes and has each of them open its data and report its code digests."""

import time
from dataclasses import replace

import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, Message, MessageType, RecordDict
from flwr.serverapp import Grid

from fer_models.errors import RunError
from fer_models.machine.code import difference, node_code
from fer_models.order import Order
from server.exchange import no_answer, reason
from server.job import Job, Plan

_PATIENCE = 120  # seconds nodes have to appear, and the least they have to get ready


def greet(grid: Grid, job: Job, order: Order) -> Plan:
    """The plan, once every node is ready for its first order, so that no round pays for start-up.

    If nodes are phones, the plan gains the node, the views and the photos of each phone. RunError if a node
    cannot get ready, or not within the plan's patience, runs different code, or found a different number of
    phones.
    """
    _wait(grid, job.nodes)
    content = RecordDict(
        {
            "head": ArrayRecord({"values": Array(job.start.head)}),
            "order": ConfigRecord(order.scalars()),
        }
    )
    if job.recipe is not None:
        content["recipe"] = ConfigRecord(dict(job.recipe))
    messages = [
        Message(content, dst_node_id=node, message_type=MessageType.QUERY)
        for node in sorted(grid.get_node_ids())
    ]
    patience = None if job.plan.patience is None else max(job.plan.patience, _PATIENCE)
    replies = list(grid.send_and_receive(messages, timeout=patience))
    reports = {}
    for reply in replies:
        if reply.has_error():
            raise RunError(f"a node could not get ready: {reason(reply)}")
        if other := difference(node_code(order.own_classes), dict(reply.content.config_records["code"])):
            raise RunError(
                f"a node runs other code than the server ({other}); install the same version on both and"
                " restart the process that starts the nodes, unless the files changed since the run began"
            )
        reports[reply.metadata.src_node_id] = reply.content.metric_records["phones"]
    if patience is not None and len(replies) < len(messages):
        missing = f"{len(messages) - len(replies)} of {len(messages)} nodes"
        raise RunError(f"{missing} could not get ready: {no_answer(patience)}")
    if job.recipe is not None:
        phones = {
            int(report["phone"]): (node, int(report["views"]), int(report["photos"]))  # type: ignore[arg-type]
            for node, report in reports.items()
        }
        return _settled(job.plan, phones, len(reports))
    expected = len(job.plan.sizes)
    for found in reports.values():
        if (there := found["phones"]) != expected:
            raise RunError(
                f"a node found {there} phones in the prepared data, the server {expected}; start again"
            )
    return job.plan


def _wait(grid: Grid, nodes: int) -> None:
    """Waits until that many nodes are connected."""
    deadline = time.monotonic() + _PATIENCE
    while (found := len(list(grid.get_node_ids()))) < nodes:
        if time.monotonic() > deadline:
            raise RunError(
                f"only {found} of {nodes} nodes connected within {_PATIENCE} s; see the logs of the run"
            )
        time.sleep(0.01)


def _settled(plan: Plan, phones: dict[int, tuple[int, int, int]], nodes: int) -> Plan:
    """The plan with the node, views and photos of each phone; RunError unless these are the plan's phones."""
    expected = len(plan.sizes)
    if sorted(phones) != list(range(expected)) or nodes != expected:
        raise RunError(
            f"the {nodes} nodes are the phones {', '.join(map(str, sorted(phones)))}; there must be one node"
            f" for each of 0 to {expected - 1}: see federation.phones, and phone in each node's configuration"
        )
    sizes, photos = (np.array([phones[phone][place] for phone in range(expected)]) for place in (1, 2))
    homes = {phone: node for phone, (node, *_) in phones.items()}
    return replace(plan, sizes=sizes, photos=photos, homes=homes)
