"""The local update of whole networks: the counterpart of `training.train_phones`, in torch, phone by phone.

What the federation calls a head is here one row (1, P): all trained parameters in the order of torch's
`named_parameters`. What is not trained is never sent: BatchNorm's running statistics stay as pretrained, on
every phone and on the server, because statistics of few, non-IID photos do harm (Hsieh, Phanishayee, Mutlu
and Gibbons 2020, arXiv:1910.00189); its scales and shifts are trained and averaged like other parameters.

The order of views, batches and sums is that of the kernel. Torch runs on one thread, so that the bits do not
depend on other work on the machine.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from safetensors.numpy import load_file, save

from fer_models.heads import cross_entropy
from fer_models.local import kernel
from fer_models.local.phone_rows import PhoneData
from fer_models.local.terms import LocalTerms
from fer_models.local.training import LocalWork, Trained, counted, trained, view_weights
from fer_models.machine.cache import whole_file
from fer_models.machine.torch_device import opened
from fer_models.networks.build import BATCH, NetworkClassifier, Spec, restore
from fer_models.networks.contrast import contrasting
from fer_models.networks.training import class_weights, make_optimizer, mean_loss

if TYPE_CHECKING:
    import torch

FILE = "network.safetensors"  # in the prepared folder
_SPEC = "network.json"


@dataclass(frozen=True)
class NetworkPhones:
    """Phones that train a network; `start` holds what is never sent, `device` is the torch device."""

    start: NetworkClassifier
    device: str = "cpu"

    @property
    def head(self) -> np.ndarray:
        """The trained parameters of `start`, (1, P) float32."""
        return _flat(list(self.start.network.parameters()))

    def classifier(self, head: np.ndarray) -> NetworkClassifier:
        """The network with the parameters `head` (1, P)."""
        network = self.start.on(opened(self.device))
        _fill(list(network.network.parameters()), head)
        return network

    @property
    def output(self) -> int:
        """How many of the parameters are the output layer's, weight and bias: the last of the row."""
        return sum(parameter.numel() for parameter in list(self.start.network.parameters())[-2:])

    def save(self, folder: Path) -> None:
        """Writes what a node needs to `folder`."""
        folder.mkdir(parents=True, exist_ok=True)
        with whole_file(folder / _SPEC) as temporary:
            temporary.write_text(
                json.dumps({**asdict(self.start.spec), "device": self.device}), encoding="utf-8"
            )
        with whole_file(folder / FILE) as temporary:
            temporary.write_bytes(save(self.start.arrays()))

    @classmethod
    def load(cls, folder: Path) -> "NetworkPhones":
        """Opens what `save` wrote; ValueError if it does not fit."""
        spec = json.loads((folder / _SPEC).read_text(encoding="utf-8"))
        device = spec.pop("device")
        return cls(restore(Spec(**spec), load_file(folder / FILE)), device)

    def train(self, held: PhoneData, phones: np.ndarray, work: LocalWork) -> Trained:
        """Trains every phone of `phones` (k,); arrays are (..., 1, P) instead of (..., C, D + 1)."""
        if work.transforms is not None:
            return work.transforms.train(self.train, held, phones, work)
        rows, firsts, lasts = (np.asarray(part) for part in held.of(phones))
        sizes = lasts - firsts
        counts = counted(held, phones)
        weights = counts.astype(np.float64) if work.inputs.weights is None else work.inputs.weights
        starts = work.head[None] if work.inputs.starts is None else work.inputs.starts
        total = np.zeros(work.head.shape)
        updates = np.empty((len(phones) if work.each else 0, *work.head.shape), work.dtype)
        losses, reaches, photo_losses = (np.full(len(phones), np.nan) for _ in range(3))
        with _one_thread():
            for place, phone in enumerate(phones):
                own, start = rows[firsts[place] : lasts[place]], starts[min(place, len(starts) - 1)]
                if work.losses:
                    losses[place] = self._loss(held, own, start)
                head, summed = self._phone(held, own, start, int(phone), place, work)
                if work.clip:
                    sound = np.isfinite(summed)
                    reaches[place] = kernel.add_within(total, head, start, work.clip) if sound else 0.0
                    photo_losses[place] = (summed + kernel.LOSS_MAGIC) - kernel.LOSS_MAGIC if sound else 0.0
                    continue
                far = float(np.linalg.norm(head - start))
                if not np.isfinite(far + summed):
                    continue
                reaches[place] = weights[place] * far
                photo_losses[place] = (summed + kernel.LOSS_MAGIC) - kernel.LOSS_MAGIC
                if not reaches[place] < work.reach_limit:
                    continue
                kernel.add_exactly(total, head, start, weights[place])
                if work.each:
                    updates[place] = np.subtract(head, start, dtype=np.float64)
        sums = total, reaches, photo_losses
        return trained(phones, (counts, sizes), work, sums, updates, losses if work.losses else None)

    def _phone(
        self, held: PhoneData, own: np.ndarray, start: np.ndarray, phone: int, place: int, work: LocalWork
    ) -> tuple[np.ndarray, float]:
        """One phone's training from `start` (1, P) on its rows `own` (n,); its head and summed loss."""
        import torch

        learner = self.classifier(start)
        parameters = list(learner.network.parameters())
        optimizer = make_optimizer(learner, work.train)
        added = _added(parameters, work, place)
        device = parameters[0].device
        offsets = _offsets(held.labels[own], learner.spec.classes, work.local).to(device)
        weights = class_weights(held.labels[own], learner.spec.classes, device) if held.weighted else None
        phone_key = np.uint64(kernel.sub_key(np.uint64(work.key), np.uint64(phone)))
        learner.network.train()
        contrast = self._contrast(learner, work, place)
        loss = 0.0
        for epoch in range(work.epochs):
            epoch_key = np.uint64(kernel.sub_key(phone_key, np.uint64(epoch)))
            order = kernel.shuffled(np.uint64(kernel.sub_key(epoch_key, np.uint64(0))), len(own))
            _seed_dropout(learner, epoch_key)
            for first in range(0, len(own), work.train.batch):
                chosen = own[order[first : first + work.train.batch]]
                x = torch.from_numpy(held.features[chosen]).to(device)
                y = torch.from_numpy(held.labels[chosen]).to(device)
                optimizer.zero_grad()
                one = mean_loss(learner.network(x) + offsets, y, weights)
                (one if contrast is None else one + contrast(x)).backward()
                added()
                for parameter in _resting(parameters, epoch, work.local):
                    parameter.grad = None
                optimizer.step()
                loss += one.item() * len(chosen)
        return _flat(parameters), loss

    def _contrast(
        self, learner: NetworkClassifier, work: LocalWork, place: int
    ) -> "Callable[[torch.Tensor], torch.Tensor] | None":
        """The contrastive term of phone number `place`; None without one.

        Its gradient is 0 for a phone whose network of before is that of the round, as in its first round.
        """
        if not work.local.contrast or work.inputs.previous is None:
            return None
        if np.array_equal(work.inputs.previous[place], work.head):
            return None
        shared, previous = self.classifier(work.head), self.classifier(work.inputs.previous[place])
        return contrasting(learner, shared, previous, work.local.contrast, work.local.temperature)

    def gradient(
        self, inputs: np.ndarray, labels: np.ndarray, head: np.ndarray, weights: np.ndarray | None = None
    ) -> np.ndarray:
        """The gradient (1, P) float64 of the mean loss of a head, times `weights` (n,), without dropout."""
        import torch

        learner = self.classifier(head)
        parameters = list(learner.network.parameters())
        total = np.zeros(head.shape)
        with _one_thread():
            for first in range(0, len(labels), BATCH):
                part = slice(first, first + BATCH)
                x = torch.from_numpy(np.array(inputs[part])).to(parameters[0].device)
                y = torch.from_numpy(np.array(labels[part])).to(parameters[0].device)
                losses = torch.nn.functional.cross_entropy(learner.network(x), y, reduction="none")
                if weights is not None:
                    losses = losses * torch.from_numpy(weights[part]).to(losses.device)
                total += _flat(list(torch.autograd.grad(losses.sum(), parameters)))
        return total / len(labels)

    def _loss(self, held: PhoneData, own: np.ndarray, head: np.ndarray) -> float:
        """The mean loss of a head on the rows `own` (n,), without dropout."""
        chances = self.classifier(head).probabilities(held.features[own])
        weights = view_weights(held.labels[own], self.start.spec.classes) if held.weighted else None
        return cross_entropy(chances, held.labels[own], weights)


def _flat(parameters: "Sequence[torch.Tensor]") -> np.ndarray:
    """A copy of all parameters, or of their gradients, as one row (1, P) float32."""
    parts = [parameter.detach().reshape(-1).cpu().numpy() for parameter in parameters]
    return np.concatenate(parts)[None]


def _fill(parameters: "list[torch.nn.Parameter]", head: np.ndarray) -> None:
    """Sets the parameters to the values of a row (1, P)."""
    import torch

    with torch.no_grad():
        for parameter, part in zip(parameters, _cut(parameters, head), strict=True):
            parameter.copy_(part)


def _cut(parameters: "list[torch.nn.Parameter]", head: np.ndarray) -> "Iterator[torch.Tensor]":
    """The values of a row (1, P) in the parameters' shapes, on their device."""
    import torch

    values, first = torch.from_numpy(np.ascontiguousarray(head[0])).to(parameters[0].device), 0
    for parameter in parameters:
        last = first + parameter.numel()
        yield values[first:last].view(parameter.shape)
        first = last


def _added(parameters: "list[torch.nn.Parameter]", work: LocalWork, place: int) -> Callable[[], None]:
    """A function that adds the strategy's terms to the gradients: pull * (w - head) + correction."""
    import torch

    pull = work.local.pull
    anchors = list(_cut(parameters, work.head)) if pull else []
    own = work.inputs.corrections
    corrections = [] if own is None else list(_cut(parameters, own[place]))

    def add() -> None:
        with torch.no_grad():
            for parameter, anchor in zip(parameters, anchors, strict=False):
                assert parameter.grad is not None
                parameter.grad.add_(parameter - anchor, alpha=pull)
            for parameter, correction in zip(parameters, corrections, strict=False):
                assert parameter.grad is not None
                parameter.grad.add_(correction)

    return add


def _resting(
    parameters: "list[torch.nn.Parameter]", epoch: int, local: LocalTerms
) -> "list[torch.nn.Parameter]":
    """The parameters that are not trained in this epoch, counted from 0."""
    if local.output_epochs < 0:
        return []
    return parameters[:-2] if epoch < local.output_epochs else parameters[-2:]


def _offsets(labels: np.ndarray, classes: int, local: LocalTerms) -> "torch.Tensor":
    """Offsets (C,) that margin and prior add to the logits of a phone with these labels."""
    import torch

    offsets = np.empty(classes, np.float32)
    kernel.logit_offsets(np.bincount(labels, minlength=classes), local.margin, local.prior, offsets)
    return torch.from_numpy(offsets)


def _seed_dropout(learner: NetworkClassifier, epoch_key: np.uint64) -> None:
    """Reseeds each dropout layer for this epoch of this phone."""
    from fer_models.networks.layers import Dropout

    modules = [module for module in learner.network.modules() if isinstance(module, Dropout)]
    for number, module in enumerate(modules, 1):
        module.generator.manual_seed(int(kernel.sub_key(epoch_key, np.uint64(number))) % 2**63)


@contextmanager
def _one_thread() -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
