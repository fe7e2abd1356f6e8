"""Phones that differ in their cameras, not in their classes (fer_models/data/cameras.py)."""

from dataclasses import dataclass
from typing import ClassVar

from simulations.partitions.iid import Iid


@dataclass(frozen=True)
class Camera(Iid):
    """Photos dealt as by `iid`, each as taken by its phone's camera, the phone's held-out photos too."""

    changes_pixels: ClassVar[bool] = True
