"""State kept for each phone between rounds: arrays that grow with the number of phones that took part.

Stored in the state as "<name>.phones" (m,) int64, sorted, and "<name>.values" (m, C, D + 1) float32. A real
phone would keep its own; here the run keeps them, since any node may work for any phone.
"""

import numpy as np

from server.strategies.base import State


def of(state: State, name: str, phones: np.ndarray, default: np.ndarray) -> np.ndarray:
    """The stored values of `phones` (k,), (k, C, D + 1) float32; `default` (C, D + 1) for those with none."""
    answer = np.repeat(default[None].astype(np.float32), len(phones), axis=0)
    if (known := state.get(f"{name}.phones")) is not None:
        place = np.minimum(np.searchsorted(known, phones), len(known) - 1)
        there = known[place] == phones
        answer[there] = state[f"{name}.values"][place[there]]
    return answer


def kept(state: State, name: str, phones: np.ndarray, values: np.ndarray) -> State:
    """The state with `values` (k, C, D + 1) stored for `phones` (k,), sorted; other phones' are unchanged."""
    known = state.get(f"{name}.phones", np.empty(0, np.int64))
    every = np.union1d(known, phones)
    whole = np.empty((len(every), *values.shape[1:]), np.float32)
    if len(known):
        whole[np.searchsorted(every, known)] = state[f"{name}.values"]
    whole[np.searchsorted(every, phones)] = values
    return {**state, f"{name}.phones": every, f"{name}.values": whole}
