"""The partitions by their names in the settings."""

from fer_models.pages.registry import Registry
from simulations.partitions.base import Partition
from simulations.partitions.camera import Camera
from simulations.partitions.dirichlet import Dirichlet
from simulations.partitions.dirichlet_clients import DirichletClients
from simulations.partitions.draw import Draw
from simulations.partitions.iid import Iid
from simulations.partitions.pathological import Pathological
from simulations.partitions.quantity import Quantity
from simulations.partitions.sorted_shards import SortedShards
from simulations.partitions.subject import Subject

_PAGES: dict[str, type[Partition]] = {
    "iid": Iid,
    "dirichlet": Dirichlet,
    "dirichlet-clients": DirichletClients,
    "pathological": Pathological,
    "shards": SortedShards,
    "quantity": Quantity,
    "subject": Subject,
    "camera": Camera,
    "draw": Draw,
}
PARTITIONS: Registry[Partition] = Registry("federation.partition", Partition, _PAGES, default="iid")  # type: ignore[type-abstract]
