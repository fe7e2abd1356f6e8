"""The mirrors by their names in the settings."""

from collections.abc import Iterable

from fer_models.errors import InputError
from fer_models.pages.registry import Registry
from simulations.mirrors.base import Mirror
from simulations.mirrors.mlflow import MLflow
from simulations.mirrors.tensorboard import TensorBoard
from simulations.mirrors.trackio import Trackio

_PAGES: dict[str, type[Mirror]] = {
    "tensorboard": TensorBoard,
    "mlflow": MLflow,
    "trackio": Trackio,
}
MIRRORS: Registry[Mirror] = Registry("report.mirror", Mirror, _PAGES, default="", own=False)  # type: ignore[type-abstract]


def check_installed(names: Iterable[str]) -> None:
    """InputError if the package of a mirror is not installed."""
    for name in names:
        page = MIRRORS.page(name)
        if not page.installed():
            raise InputError(
                f'report.mirror: "{name}" needs {page.package}, which is not installed; install it with'
                f" pip install 'fedfer[{page.extra}]', or leave {name} out"
            )
