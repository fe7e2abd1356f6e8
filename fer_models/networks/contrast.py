"""A contrastive term of the local update of networks: a photo is represented as in the shared network.

Li, He and Song, "Model-Contrastive Federated Learning", 2021, arXiv:2103.16257, equation 3. With z the input
of the output layer for a photo, s its cosine similarity to that in the network of the round, and p to that in
the phone's own network after its last round, the loss of the photo grows by

    -strength * log(exp(s / temperature) / (exp(s / temperature) + exp(p / temperature)))

The paper puts a projection head before z; here z is what the output layer sees, without dropout.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from fer_models.networks.build import NetworkClassifier

if TYPE_CHECKING:
    import torch


def contrasting(
    learner: NetworkClassifier,
    shared: NetworkClassifier,
    previous: NetworkClassifier,
    strength: float,
    temperature: float,
) -> "Callable[[torch.Tensor], torch.Tensor]":
    """A function that gives the mean term of the photos that `learner` has just seen, its inputs (n, ...)."""
    import torch
    from torch.nn.functional import cosine_similarity, cross_entropy

    seen, fixed = _watched(learner), [(network, _watched(network)) for network in (shared, previous)]

    def term(x: "torch.Tensor") -> "torch.Tensor":
        z, others = seen[0], []
        with torch.no_grad():
            for network, found in fixed:
                network.network(x)
                others.append(found[0])
        alike = torch.stack([cosine_similarity(z, other) for other in others], dim=1) / temperature
        return strength * cross_entropy(alike, torch.zeros(len(x), dtype=torch.long, device=alike.device))

    return term


def _watched(classifier: NetworkClassifier) -> "list[torch.Tensor]":
    """A list whose one item is the input of the output layer in the latest forward pass, before dropout."""
    from torch import nn

    from fer_models.networks.layers import Dropout

    modules = list(classifier.network.modules())
    output = [module for module in modules if isinstance(module, nn.Linear)][-1]
    before = [module for module in modules if isinstance(module, Dropout)]  # there is no other than before it
    found: list[Any] = [None]

    def keep(module: nn.Module, inputs: "tuple[torch.Tensor, ...]") -> None:
        found[0] = inputs[0]

    (before[-1] if before else output).register_forward_pre_hook(keep)
    return found
