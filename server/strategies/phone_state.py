"""What is kept for each phone between rounds: arrays in the state that grow with who took part.

In the state they lie as "<name>.phones" (m,) int64, sorted, and "<name>.values" (m, C, D + 1) float32. A real
phone would keep its own; here the run keeps them, since any node may work for any phone.
"""

import numpy as np

from server.strategies.base import State


def of(state: State, name: str, phones: np.ndarray, default: np.ndarray) -> np.ndarray:
    """What is kept for `phones` (k,), (k, C, D + 1) float32; `default` (C, D + 1) where nothing is yet."""
    answer = np.repeat(default[None].astype(np.float32), len(phones), axis=0)
    if (known := state.get(f"{name}.phones")) is not None:
        place = np.minimum(np.searchsorted(known, phones), len(known) - 1)
        there = known[place] == phones
        answer[there] = state[f"{name}.values"][place[there]]
    return answer


def kept(state: State, name: str, phones: np.ndarray, values: np.ndarray) -> State:
    """The state in which `phones` (k,), sorted, keep `values` (k, C, D + 1), and others what they had."""
    known = state.get(f"{name}.phones", np.empty(0, np.int64))
    every = np.union1d(known, phones)
    whole = np.empty((len(every), *values.shape[1:]), np.float32)
    if len(known):
        whole[np.searchsorted(every, known)] = state[f"{name}.values"]
    whole[np.searchsorted(every, phones)] = values
    return {**state, f"{name}.phones": every, f"{name}.values": whole}
