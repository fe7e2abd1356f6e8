"""The torch device: the CPU, or a GPU in full float32."""

from typing import TYPE_CHECKING

from fer_models.errors import InputError

if TYPE_CHECKING:
    import torch


def check_available(device: str) -> None:
    """InputError if the device is not available; the CPU always is, without loading torch."""
    if device == "cuda":
        import torch

        if not torch.cuda.is_available():
            raise InputError('run.device is "cuda", but torch finds no GPU here; set it to "cpu"')


def opened(device: str) -> "torch.device":
    """The device, with true float32: TF32 is off, since its ten-bit mantissa is too coarse for results."""
    import torch

    if device == "cuda":
        torch.backends.cudnn.allow_tf32 = False
        torch.backends.cuda.matmul.allow_tf32 = False
    return torch.device(device)
