"""Centralized training of a network with torch: the counterpart of `training.CentralTrainer`.

Same views in the same order and batches, same loss and optimisers (Adam: Kingma and Ba 2015,
arXiv:1412.6980). The same seed gives the same bits on one machine with a fixed number of cores.
"""

from typing import TYPE_CHECKING

import numpy as np

from fer_models.config import TrainConfig
from fer_models.local import kernel
from fer_models.local.phone_rows import PhoneRows
from fer_models.machine.torch_device import opened
from fer_models.networks.build import NetworkClassifier, all_cores
from fer_models.seeding import key

if TYPE_CHECKING:
    import torch

BELOW_HEAD = 0.1  # learning rate of pretrained layers, as a fraction of train.lr


class NetworkTrainer:
    """Trains a copy of `start` on all views of `pooled`; the optimiser's state is kept between epochs."""

    def __init__(
        self,
        pooled: PhoneRows,
        start: NetworkClassifier,
        train: TrainConfig,
        *,
        seed: int,
        device: str = "cpu",
    ) -> None:
        self._pooled, self._train, self._seed, self._epoch = pooled, train, seed, 0
        self._device = opened(device)
        self._learner = start.on(self._device)
        self._optimizer = make_optimizer(self._learner, train)
        labels, classes = pooled.labels[pooled.rows], start.spec.classes
        self._weights = class_weights(labels, classes, self._device) if pooled.weighted else None
        self._rates = [float(group["lr"]) for group in self._optimizer.param_groups]

    @property
    def classifier(self) -> NetworkClassifier:
        """A copy of the network trained so far."""
        return self._learner.copy()

    @property
    def finite(self) -> bool:
        """Whether all trained values are finite; if not, training has diverged and ends."""
        tensors = self._learner.network.state_dict().values()
        return all(bool(tensor.isfinite().all()) for tensor in tensors)

    def epoch(self, views: int | None = None) -> float:
        """Trains one more epoch, or its first `views` views; returns the loss summed over them."""
        self._epoch += 1
        rows = np.asarray(self._pooled.rows)
        epoch_key = np.uint64(key(self._seed, "central", self._epoch))
        order = kernel.shuffled(np.uint64(kernel.sub_key(epoch_key, np.uint64(0))), len(rows))
        chosen = rows[order[:views]]
        self._seed_dropout()
        self._decay()
        loss = 0.0
        self._learner.network.train()
        try:
            with all_cores():
                for first in range(0, len(chosen), self._train.batch):
                    loss += self._step(chosen[first : first + self._train.batch])
        finally:
            self._learner.network.eval()
        return loss

    def _step(self, rows: np.ndarray) -> float:
        """One optimiser step on the batch of these rows. Returns its summed loss."""
        import torch

        features = torch.from_numpy(self._pooled.features[rows]).to(self._device)
        labels = torch.from_numpy(self._pooled.labels[rows]).to(self._device)
        self._optimizer.zero_grad()
        loss = mean_loss(self._learner.network(features), labels, self._weights)
        loss.backward()
        self._optimizer.step()
        return loss.item() * len(rows)

    def _decay(self) -> None:
        """Sets the learning rates of this epoch."""
        share = self._train.after(self._epoch - 1).lr / self._train.lr
        for group, rate in zip(self._optimizer.param_groups, self._rates, strict=True):
            group["lr"] = rate * share

    def _seed_dropout(self) -> None:
        """Starts the dropout of this epoch anew, so that it depends on seed and epoch alone."""
        from fer_models.networks.layers import Dropout

        for name, module in self._learner.network.named_modules():
            if isinstance(module, Dropout):
                module.generator.manual_seed(key(self._seed, "central", self._epoch, name) % 2**63)


def class_weights(labels: np.ndarray, classes: int, device: "torch.device") -> "torch.Tensor":
    """The weights (C,) of the classes' losses on a machine, or a phone, with these labels."""
    import torch

    weights = np.empty(classes, np.float32)
    kernel.class_weights(np.bincount(labels, minlength=classes), weights)
    return torch.from_numpy(weights).to(device)


def mean_loss(
    logits: "torch.Tensor", labels: "torch.Tensor", weights: "torch.Tensor | None"
) -> "torch.Tensor":
    """The mean over a batch of the cross-entropy, times the weight of its class where `weights` has any."""
    from torch.nn.functional import cross_entropy

    if weights is None:
        return cross_entropy(logits, labels)
    return (weights[labels] * cross_entropy(logits, labels, reduction="none")).mean()


def make_optimizer(learner: NetworkClassifier, train: TrainConfig) -> "torch.optim.Optimizer":
    """The optimiser that `train` names, with torch's defaults; fused: one pass over all parameters a step."""
    import torch

    pretrained = learner.spec.network.pretrained
    groups: dict[float, list[torch.nn.Parameter]] = {}
    for name, parameter in learner.network.named_parameters():
        below = pretrained != "" and name.startswith(pretrained)
        groups.setdefault(train.lr * (BELOW_HEAD if below else 1), []).append(parameter)
    make = torch.optim.Adam if train.optimizer == "adam" else torch.optim.SGD
    return make([{"params": group, "lr": lr} for lr, group in groups.items()], fused=True)
