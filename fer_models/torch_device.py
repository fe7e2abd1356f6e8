"""Where torch computes: the processor, or a GPU in full float32."""

from typing import TYPE_CHECKING

from fer_models.errors import InputError

if TYPE_CHECKING:
    import torch


def check_available(device: str) -> None:
    """InputError where the device is not there; the processor always is, and torch is not loaded for it."""
    if device == "cuda":
        import torch

        if not torch.cuda.is_available():
            raise InputError('run.device is "cuda", but torch finds no GPU here; set it to "cpu"')


def opened(device: str) -> "torch.device":
    """The device, in float32 as it says: no TF32, whose ten bits are fewer than results deserve."""
    import torch

    if device == "cuda":
        torch.backends.cudnn.allow_tf32 = False
        torch.backends.cuda.matmul.allow_tf32 = False
    return torch.device(device)
