"""The two parts that Numba compiles for seconds, each compiled here on purpose."""

# Imported where they are used: Numba reads where its cache lies as it is imported; conftest.py says where.


def kernel() -> None:
    """The local update, for updates in both precisions."""
    import numpy as np

    from fer_models.config import TrainConfig
    from fer_models.local.phone_rows import PhoneRows
    from fer_models.local.training import LocalWork, train_phones

    held = PhoneRows(np.ones((2, 3), np.float32), np.arange(2), np.arange(2), np.array([0, 2]))
    for precision in (np.float32, np.float64):
        work = LocalWork(np.zeros((2, 4), np.float32), TrainConfig(), 1, 0, each=True, dtype=precision)
        train_phones(held, np.arange(1), work)


def drawing() -> None:
    """The drawn faces."""
    from fer_models.sketch.faces import SketchSet

    drawn = SketchSet(faces=10, subjects=5, seed=0)
    for face in range(10):
        drawn.draw(face)
