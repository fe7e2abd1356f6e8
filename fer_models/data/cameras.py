"""Cameras: each phone's photos are a little brighter or darker, blurred, and noisy.

A camera is a number; its style is sampled from a seeded stream of that number. The pixels of a view pass
through light, lens and sensor, in this order, before any other use. Lengths are shares of the image's side,
so a camera has the same effect at 64 and at 224 pixels.
"""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

from fer_models.seeding import stream

# Within the range of real phones: two thirds of a stop either way, a soft or lightly smeared lens, and the
# noise of a small sensor from daylight to a dim room. People can still read the expression at all extremes
# combined.
STOPS = 0.67  # of exposure, each way
BLUR = 0.008  # of the side: the largest standard deviation of the lens blur, 1.8 pixels of 224
NOISE = 0.07  # of full scale: the largest standard deviation, at FULL pixels a side
FULL = 224  # downscaling from it averages the noise of neighbours: sigma falls with the side


@dataclass(frozen=True)
class Camera:
    """The style of one camera."""

    gain: float  # factor of brightness
    blur: float  # standard deviation, share of the side
    noise: float  # standard deviation, share of full scale, at FULL pixels a side


def camera(number: int, *, seed: int) -> Camera:
    """The style of camera `number`: all three sampled uniformly from their ranges."""
    light, blur, noise = stream(seed, "camera", number).random(3).tolist()
    return Camera(2.0 ** (STOPS * (2 * light - 1)), BLUR * blur, NOISE * noise)


def shoot(pixels: np.ndarray, style: Camera, rng: np.random.Generator) -> np.ndarray:
    """Pixels uint8 (1 or 3, s, s) as the camera takes them; `rng` samples the noise of this one shot."""
    side = pixels.shape[1]
    lit = np.minimum(np.rint(pixels * style.gain), 255).astype(np.uint8)
    lens = ImageFilter.GaussianBlur(style.blur * side)
    soft = np.stack([np.asarray(Image.fromarray(channel).filter(lens)) for channel in lit])
    grain = rng.standard_normal(soft.shape, dtype=np.float32)
    grain *= np.float32(255 * style.noise * min(1.0, side / FULL))
    return np.rint(soft + grain).clip(0, 255).astype(np.uint8)
