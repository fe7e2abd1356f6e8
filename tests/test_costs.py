"""What networks cost: published figures, sums by hand, and parts that add up."""

import pytest
import torch
from support_slow import few_quick
from support_tiny_networks import torchvisions
from torch.utils.flop_counter import FlopCounterMode
from torchvision.models import mobilenet_v2

from fer_models.networks.build import Spec
from fer_models.networks.costs import Cost, encoder_cost, frozen_cost, linear_cost, network_cost
from fer_models.networks.registry import NETWORKS


def test_mobilenet_costs_what_was_published() -> None:
    # Sandler et al. 2018, table 4: 3.4 M parameters, 300 M multiply-adds; torchvision: 3,504,872.
    assert encoder_cost(224) + linear_cost(1000, 1280) == Cost(3_504_872, 300_774_272)


@pytest.mark.parametrize(
    ("size", "layers"), few_quick([(224, 19), (224, 15), (64, 1), (75, 4), (33, 19)], (64, 1))
)
def test_the_frozen_encoder_costs_what_torch_counts(size: int, layers: int) -> None:
    with torch.device("meta"):
        network, photo = mobilenet_v2().features[:layers].eval(), torch.empty(1, 3, size, size)
    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad():
        network(photo)
    parameters = sum(parameter.numel() for parameter in network.parameters())
    assert encoder_cost(size, layers) == Cost(parameters, counter.get_total_flops() // 2)


def test_the_small_cnn_by_hand() -> None:
    parameters = 32 * 10 + 64 * (32 * 9 + 1) + 128 * (4 * 64 + 1) + 5 * 129
    multiply_adds = 8 * 8 * 32 * 9 + 4 * 4 * 64 * 32 * 9 + 128 * 4 * 64 + 5 * 128
    assert network_cost(Spec("cnn", 5, 8)) == Cost(parameters, multiply_adds)
    assert network_cost(Spec("cnn", 5, 224)).multiply_adds == 14_450_688 + 231_211_008 + 25_690_112 + 640


@pytest.mark.parametrize("size", few_quick([64, 224], 64))
@pytest.mark.parametrize("blocks", few_quick([1, 3, 17], 3))
def test_top_and_bottom_are_the_whole(size: int, blocks: int) -> None:
    spec = Spec("mobilenet-tuned", 5, size, options={"trainable_blocks": blocks})
    assert network_cost(spec) + frozen_cost(spec) == encoder_cost(size) + linear_cost(5, 1280)


def test_the_deep_head_by_hand() -> None:
    spec = Spec("mobilenet-deep", 5, 224)
    assert network_cost(spec) == linear_cost(256, 1280) + linear_cost(5, 256)
    assert frozen_cost(spec) == encoder_cost(224)


@pytest.mark.parametrize("width", few_quick([0.25, 1.0], 0.25))
def test_mobilenet_from_scratch_has_torchvision_s_parameters(width: float) -> None:
    spec = Spec("mobilenet-scratch", 5, 64, options={"width": width})
    whole = sum(parameter.numel() for parameter in torchvisions(width, 5).parameters())
    assert network_cost(spec).parameters == whole
    assert frozen_cost(spec) == Cost(0, 0)
    if width == 1:
        assert network_cost(spec) == encoder_cost(64) + linear_cost(5, 1280)


@pytest.mark.parametrize("name", few_quick(NETWORKS, "cnn", "mobilenet-deep"))
def test_a_smaller_image_costs_less(name: str) -> None:
    large, small = (network_cost(spec) + frozen_cost(spec) for spec in (Spec(name, 5, 96), Spec(name, 5, 48)))
    assert small.multiply_adds < large.multiply_adds / 3
