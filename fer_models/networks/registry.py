"""The networks by their names in the settings."""

from fer_models.networks.cnn import Cnn
from fer_models.networks.deep import Deep
from fer_models.networks.network import Network
from fer_models.networks.scratch import Scratch
from fer_models.networks.tuned import Tuned

NETWORKS: dict[str, type[Network]] = {
    "mobilenet-deep": Deep,
    "mobilenet-tuned": Tuned,
    "cnn": Cnn,
    "mobilenet-scratch": Scratch,
}
