"""Mirrors: where else a run's rounds go while it goes on, such as TensorBoard, MLflow or Trackio.

In: the names in `report.mirror`, and the records of a run's rounds. Out: entries in that tool's local store.
A page per tool, as a subclass of `Mirror` (base.py), and a line in registry.py; to add one, write both, and
its extra in pyproject.toml. What a run does with them, and what if one fails: simulations/run/mirroring.py.
"""
