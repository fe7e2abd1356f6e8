"""The phones' end of the wire: unpack the order, do the local update, pack the reply.

A node works for whichever phones the order names, and answers with one sum over them; with what each of them
sends, or the heads that they keep for themselves, too, where the order asks for it.
"""

from dataclasses import replace

import numpy as np
from flwr.app import Array, ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

from clients.phones import phones_of, trainer_of
from fer_models.order import Order
from fer_models.statistics import phone_sums, projection
from fer_models.training import Holdings, Local, Trained, Work

app = ClientApp()


@app.query()
def ready(message: Message, context: Context) -> Message:
    """Opens the prepared data and loads the compiled update, so that round 1 is a round like any other."""
    order, head = _order(message)
    held = phones_of(order.prepared)
    trainer_of(order.prepared)(held, np.empty(0, np.int64), Work(head, order.train, order.epochs, order.key))
    return Message(RecordDict({"phones": MetricRecord({"phones": held.phones})}), reply_to=message)


@app.train()
def train(message: Message, context: Context) -> Message:
    """Trains the phones of the order from its head; replies with their summed update and its counts."""
    order, head = _order(message)
    held = phones_of(order.prepared)
    asked = {name: array.numpy() for name, array in message.content.array_records["phones"].items()}
    phones, starts = asked["ids"], asked.get("starts")
    work = Work(
        head,
        order.train,
        order.epochs,
        order.key,
        order.local,
        starts=starts if order.own == "instead" else None,
        corrections=asked.get("corrections"),
        weights=asked.get("weights"),
        each=order.each or order.own == "instead",
        losses=order.losses,
    )
    trained = trainer_of(order.prepared)(held, phones, work)
    reply = _packed(phones, trained, order.each)
    if starts is not None:
        moved = trained.updates if order.own == "instead" else _beside(held, phones, work, starts, order)
        assert moved is not None
        reply["own"] = ArrayRecord({"phones": Array(phones), "heads": Array(starts + moved)})
    return Message(reply, reply_to=message)


@app.query("sums")
def sums(message: Message, context: Context) -> Message:
    """The sums that ridge regression needs of the views of the order's phones."""
    order, head = _order(message)
    held = phones_of(order.prepared)
    phones = message.content.array_records["phones"]["ids"].numpy()
    found = phone_sums(
        held, phones, len(head), projection(held.features.shape[1], order.projection, seed=order.seed)
    )
    arrays = ArrayRecord({"xx": Array(found.xx), "xy": Array(found.xy)})
    counts = MetricRecord({"views": found.n, "phones": len(phones)})
    return Message(RecordDict({"sums": arrays, "counts": counts}), reply_to=message)


def _order(message: Message) -> tuple[Order, np.ndarray]:
    """The order of a message and the head of its round."""
    order = Order.from_scalars(message.content.config_records["order"])
    return order, message.content.array_records["head"]["values"].numpy()


def _beside(
    held: Holdings, phones: np.ndarray, work: Work, starts: np.ndarray, order: Order
) -> np.ndarray | None:
    """What the phones' own heads, which start from `starts`, move by when trained beside the shared one."""
    own = replace(
        work, local=Local(pull=order.own_pull), starts=starts, corrections=None, weights=None, each=True
    )
    return trainer_of(order.prepared)(held, phones, own).updates


def _packed(phones: np.ndarray, trained: Trained, each: bool) -> RecordDict:
    update = trained.sum
    reply = RecordDict({"update": ArrayRecord({"total": Array(update.total)})})
    counts = ("views", "photos", "phones", "loss", "reach")
    reply["counts"] = MetricRecord({name: getattr(update, name) for name in counts})
    if each:
        arrays = {"phones": phones, "updates": trained.updates, "losses": trained.losses}
        reply["each"] = ArrayRecord({name: Array(a) for name, a in arrays.items() if a is not None})
    return reply
