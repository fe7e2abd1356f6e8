"""The phones' end of the wire: unpack the order, run the local update, pack the reply.

A node works for whichever phones the order names and replies with one sum over them, plus each phone's own
update or personal head if the order requests them.
"""

import operator
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import reduce

import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

from clients import phone_node
from clients.phones import Train, gradient_of, phones_of, trainer_of
from fer_models.linear.bounded import phone_vectors
from fer_models.linear.statistics import SUMS, phone_sums, projection
from fer_models.local.measures import measured
from fer_models.local.phone_rows import PhoneData
from fer_models.local.terms import LocalTerms, PhoneInputs
from fer_models.local.training import LocalWork, Trained, counted
from fer_models.machine.code import check_node, follow, node_code
from fer_models.machine.quiet import hush
from fer_models.machine.stamp import check_unchanged
from fer_models.order import Order

hush()  # Flower imports this module and starts Ray before it calls anything here
app = ClientApp()


@app.query()
def ready(message: Message, context: Context) -> Message:
    """Opens the prepared data and loads the compiled update, so that round 1 does not pay for start-up.

    A node that is a phone prepares its photos and reports its id. The reply carries the node's code digests.
    """
    order, head = _order(message)
    follow(order.code, order.own_classes)
    if "recipe" in message.content:
        held: PhoneData = phone_node.prepare(context.node_config, message.content.config_records["recipe"])
        identity = {"phone": phone_node.number(context.node_config), "views": int(held.sizes.sum())}
        identity["photos"] = int(counted(held, np.array([identity["phone"]])).sum())
    else:
        held, identity = (
            phones_of(order.prepared),
            {},
        )  # first: has the clearest error if the folder is not visible from here
        check_unchanged(order.stamp)
    nothing = LocalWork(head, order.train, order.epochs, order.key, transforms=order.changes, clip=order.clip)
    trainer_of(order.prepared)(held, np.empty(0, np.int64), nothing)
    reply = RecordDict({"phones": MetricRecord({"phones": held.phones, **identity})})
    reply["code"] = ConfigRecord(dict(node_code(order.own_classes)))
    return Message(reply, reply_to=message)


@app.train()
def train(message: Message, context: Context) -> Message:
    """Trains the phones of the order from its head; replies with their summed update and its counts.

    Phones with non-finite or too large numbers are left out of both; the reply lists the phones included,
    and those whose numbers are too large.
    """
    return Message(_trained(message, context), reply_to=message)


@app.query("secagg_keys")
def secagg_keys(message: Message, context: Context) -> Message:
    """Secure aggregation begins: new keys of the phones. Steps: fer_models/secagg/phone.py."""
    from clients import secure  # it brings the cryptography, which other runs do not need

    return secure.keys(message, context)


@app.query("secagg_shares")
def secagg_shares(message: Message, context: Context) -> Message:
    """The phones share out their secrets among their neighbours."""
    from clients import secure

    return secure.shares(message, context)


@app.train("secagg_masked")
def secagg_masked(message: Message, context: Context) -> Message:
    """As `train`, but the sums leave the node as elements of the ring, masked."""
    from clients import secure

    masking = secure.Masking(message, context)
    return Message(masking.seal(_trained(message, context, masking.around)), reply_to=message)


@app.query("secagg_unmask")
def secagg_unmask(message: Message, context: Context) -> Message:
    """The phones' shares of what is still in the sums."""
    from clients import secure

    return secure.unmask(message, context)


def _trained(
    message: Message, context: Context, around: Callable[[Train], Train] = lambda trainer: trainer
) -> RecordDict:
    """The reply to a training order; `around`: the trainer of the shared head, given the phones' own."""
    order, head = _order(message)
    held, trainer = _held(order, context), trainer_of(order.prepared)
    given = {name: array.numpy() for name, array in message.content.array_records["phones"].items()}
    phones, inputs = given.pop("ids"), PhoneInputs(**given)
    starts, only_own, own = inputs.starts, order.own in ("instead", "partly"), None
    if order.own == "beside":
        own = trainer(held, phones, _beside(head, order, starts))
        place = np.searchsorted(phones, own.phones)
        phones, inputs = phones[place], inputs.of(place)
        starts = inputs.starts
    work = LocalWork(
        head,
        order.train,
        order.epochs,
        order.key,
        order.local,
        inputs if only_own else replace(inputs, starts=None),
        each=order.each or only_own,
        losses=order.losses,
        transforms=order.changes,
        reach_limit=order.reach_limit,
        clip=order.clip,
    )
    trained = around(trainer)(held, phones, work)
    beside = measured(
        tuple(order.measures.split()), held, trained.phones, head, order.classes or len(head),
        gradient_of(order.prepared),
    )  # fmt: skip
    reply = _packed(trained, order, beside)
    if starts is not None:
        own = own or trained
        assert own.updates is not None
        place = np.searchsorted(phones, own.phones)
        heads = starts[place] + own.updates
        reply["own"] = ArrayRecord({"phones": Array(own.phones), "heads": Array(heads)})
    return reply


@app.query("sums")
def sums(message: Message, context: Context) -> Message:
    """The sums that the order names, over the views of its phones, with the labels they would train on."""
    order, head = _order(message)
    held = _held(order, context)
    phones = message.content.array_records["phones"]["ids"].numpy()
    if order.clip:
        return _bounded(message, order, head, held, phones)
    smaller = projection(held.features.shape[1], order.projection, seed=order.seed)
    every = [(np.arange(len(phones)), held)]
    groups = order.changes.data_of(held, phones, head) if order.changes else every
    parts = [phone_sums(own, phones[places], len(head), SUMS[order.sums], smaller) for places, own in groups]
    found = reduce(operator.add, (part for part, _ in parts))
    sound = np.sort(np.concatenate([included for _, included in parts]))
    arrays = ArrayRecord({name: Array(array) for name, array in found.arrays.items()})
    arrays["phones"] = Array(sound)
    return Message(RecordDict({"sums": arrays, "counts": MetricRecord({"views": found.n})}), reply_to=message)


def _bounded(
    message: Message, order: Order, head: np.ndarray, held: PhoneData, phones: np.ndarray
) -> Message:
    """The sum of the phones' moments as vectors of bounded norm, for a private run."""
    every = [(np.arange(len(phones)), held)]
    groups = order.changes.data_of(held, phones, head) if order.changes else every
    parts = [
        phone_vectors(own, phones[places], len(head), order.radius, order.clip) for places, own in groups
    ]
    total, within = sum(part for part, _ in parts), sum(number for _, number in parts)
    arrays = ArrayRecord({"total": Array(np.asarray(total)), "phones": Array(phones)})
    counts = MetricRecord({"within": within})
    return Message(RecordDict({"sums": arrays, "counts": counts}), reply_to=message)


def _order(message: Message) -> tuple[Order, np.ndarray]:
    """The order in a message and the head of its round."""
    order = Order.from_scalars(message.content.config_records["order"])
    return order, message.content.array_records["head"]["values"].numpy()


def _held(order: Order, context: Context) -> PhoneData:
    """The data of this node's phones; RunError if the prepared files or the node's code have changed."""
    check_node(order.code, order.own_classes)
    if not order.prepared:
        return phone_node.held(context.node_config)
    check_unchanged(order.stamp)
    return phones_of(order.prepared)


def _beside(head: np.ndarray, order: Order, starts: np.ndarray | None) -> LocalWork:
    """The work for personal heads, which start from `starts` and are trained beside the shared head.

    They are never summed, so none is too large.
    """
    pull, inputs = LocalTerms(pull=order.own_pull), PhoneInputs(starts=starts)
    return LocalWork(head, order.train, order.epochs, order.key, pull, inputs, each=True, reach_limit=np.inf)


def _packed(trained: Trained, order: Order, beside: Mapping[str, np.ndarray]) -> RecordDict:
    """The reply; `beside`: what the strategy measures of each phone."""
    update = trained.sum
    sent = {"total": update.total, "phones": trained.phones}
    if len(trained.large):
        sent["large"] = trained.large
    reply = RecordDict({"update": ArrayRecord({name: Array(array) for name, array in sent.items()})})
    counts = ("views", "photos", "phones", "loss", "reach", *["within"] * bool(order.clip))
    reply["counts"] = MetricRecord({name: getattr(update, name) for name in counts})
    if order.each or beside:
        each_of = {
            "phones": trained.phones, "updates": trained.updates if order.each else None,
            "losses": trained.losses, **beside,
        }  # fmt: skip
        reply["each"] = ArrayRecord({name: Array(a) for name, a in each_of.items() if a is not None})
    if order.transforms:
        arrays = {"phones": trained.phones, **trained.metrics}
        reply["metrics"] = ArrayRecord({name: Array(a) for name, a in arrays.items()})
    return reply
