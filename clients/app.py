"""The phones' end of the wire: unpack the order, do the local update, pack the reply.

A node works for whichever phones the order names, and answers with one sum over them; with what each of them
sends, too, where the order asks for it.
"""

from flwr.app import Array, ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

from clients.phones import phones_of
from fer_models.heads import joined
from fer_models.order import Order
from fer_models.training import train_each, train_phones

app = ClientApp()


@app.query()
def ready(message: Message, context: Context) -> Message:
    """Opens the prepared data and loads the compiled update, so that round 1 is a round like any other."""
    order = Order.from_scalars(message.content.config_records["order"])
    shards = phones_of(order.prepared)
    head = joined({k: v.numpy() for k, v in message.content.array_records["head"].items()})
    train_phones(shards, shards.offsets[:0], head, order.train, order.epochs, key=order.key)
    return Message(RecordDict({"phones": MetricRecord({"phones": shards.phones})}), reply_to=message)


@app.train()
def train(message: Message, context: Context) -> Message:
    """Trains the phones of the order from its head; replies with their summed update and its counts."""
    order = Order.from_scalars(message.content.config_records["order"])
    phones = message.content.array_records["phones"]["ids"].numpy()
    head = joined({k: v.numpy() for k, v in message.content.array_records["head"].items()})
    work = (phones_of(order.prepared), phones, head, order.train, order.epochs)
    reply = RecordDict()
    if order.each:
        each = train_each(*work, key=order.key, losses=order.losses)
        update = each.sum
        arrays = {"phones": phones, "updates": each.updates, "losses": each.losses}
        reply["each"] = ArrayRecord({name: Array(array) for name, array in arrays.items()})
    else:
        update = train_phones(*work, key=order.key)
    reply["update"] = ArrayRecord({"total": Array(update.total)})
    reply["counts"] = MetricRecord(
        {
            "views": update.views,
            "photos": update.photos,
            "phones": update.phones,
            "loss": update.loss,
            "reach": update.reach,
        }
    )
    return Message(reply, reply_to=message)
