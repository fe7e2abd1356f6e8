"""The local update written out with torch, and small drawn shards to run it on."""

import numpy as np
import torch

from fer_models.config import TrainConfig
from fer_models.local import kernel
from fer_models.local.phone_rows import PhoneRows

CLASSES, WIDTH = 5, 37


def sub_key(key: int | np.uint64, label: int) -> np.uint64:
    return np.uint64(kernel.sub_key(np.uint64(key), np.uint64(label)))


def make_shards(sizes: list[int], seed: int = 0, width: int = WIDTH, views: int = 60) -> PhoneRows:
    rng = np.random.default_rng(seed)
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    return PhoneRows(
        features=np.maximum(rng.standard_normal((views, width)), 0).astype(np.float32),
        labels=rng.integers(0, CLASSES, views),
        rows=rng.integers(0, views, offsets[-1]),
        offsets=offsets,
    )


def torch_phone(
    shards: PhoneRows,
    phone: int,
    start: np.ndarray,
    train: TrainConfig,
    epochs: int,
    key: int,
    *,
    pull: float = 0.0,
    anchor: np.ndarray | None = None,
    correction: np.ndarray | None = None,
    offsets: np.ndarray | None = None,
    weights: np.ndarray | None = None,
) -> tuple[np.ndarray, float]:
    """The ordinary loop: torch.nn.Linear, CrossEntropyLoss and torch.optim, batch by batch.

    What a strategy adds, it adds to the loss: pull / 2 * |head - anchor|^2 + the product of correction and
    head, and `offsets` to the logits; `weights` (C,) are of the classes' losses.
    """
    rows = shards.rows[shards.offsets[phone] : shards.offsets[phone + 1]]
    model = torch.nn.Linear(start.shape[1] - 1, start.shape[0])
    with torch.no_grad():
        model.weight.copy_(torch.from_numpy(start[:, :-1].copy()))
        model.bias.copy_(torch.from_numpy(start[:, -1].copy()))
    make = {"adam": torch.optim.Adam, "sgd": torch.optim.SGD}[train.optimizer]
    optimizer, criterion, loss_sum = make(model.parameters(), lr=train.lr), torch.nn.CrossEntropyLoss(), 0.0
    if weights is not None:
        by_class, each = (
            torch.from_numpy(weights.astype(np.float32)),
            torch.nn.CrossEntropyLoss(reduction="none"),
        )
        criterion = lambda logits, y: (by_class[y] * each(logits, y)).mean()  # noqa: E731
    phone_key = sub_key(key, phone)
    for epoch in range(epochs):
        epoch_key = sub_key(phone_key, epoch)
        order = kernel.shuffled(sub_key(epoch_key, 0), len(rows))
        masks = dropout_masks(epoch_key, len(rows), start.shape[1] - 1, train.dropout)
        for first in range(0, len(rows), train.batch):
            chosen = rows[order[first : first + train.batch]]
            x = torch.from_numpy(shards.features[chosen] * masks[first : first + train.batch])
            y = torch.from_numpy(shards.labels[chosen])
            optimizer.zero_grad()
            loss = criterion(model(x) + (0 if offsets is None else torch.from_numpy(offsets)), y)
            whole = torch.cat([model.weight, model.bias[:, None]], dim=1)
            added = 0.0 * whole.sum()
            if anchor is not None:
                added += pull / 2 * ((whole - torch.from_numpy(anchor)) ** 2).sum()
            if correction is not None:
                added += (torch.from_numpy(correction) * whole).sum()
            (loss + added).backward()
            optimizer.step()
            loss_sum += loss.item() * len(chosen)
    weight, bias = model.weight.detach().numpy(), model.bias.detach().numpy()
    return np.concatenate([weight, bias[:, None]], axis=1), loss_sum


def dropout_masks(epoch_key: np.uint64, views: int, width: int, dropout: float) -> np.ndarray:
    masks = np.ones((views, width), np.float32)
    words = np.empty((width + 3) // 4, np.uint64)
    for position in range(views if dropout else 0):
        key = sub_key(epoch_key, 1)
        kernel.keep_mask(key, position, width, dropout, words, masks[position])
    return masks
