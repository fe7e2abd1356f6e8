"""Zero-concentrated differential privacy (zCDP), where discrete Gaussian noise counts as Gaussian."""

import math

from scipy.optimize import minimize_scalar


def rho(noise_multiplier: float, rounds: int = 1) -> float:
    """Of rounds without sampling, continuous or discrete Gaussian noise (arXiv:2004.00010, theorem 4)."""
    return rounds / (2 * noise_multiplier**2)


def epsilon_zcdp(rho: float, delta: float) -> float:
    """The epsilon of rho-zCDP (arXiv:2004.00010, corollary 13); an upper bound, as every order gives one."""

    def at(log_excess: float) -> float:
        excess = math.exp(log_excess)  # of the Renyi order over 1
        order = 1 + excess
        return order * rho + math.log1p(-1 / order) - math.log(delta * order) / excess

    best = minimize_scalar(at, bounds=(math.log(1e-6), math.log(1e6)), method="bounded")
    return max(0.0, float(best.fun))
