"""Bounds of the strategies' options: types for the fields of their pages."""

from typing import Annotated

from pydantic import Field

Positive = Annotated[float, Field(gt=0, le=1_000_000)]
Weight = Annotated[float, Field(ge=0, le=1_000_000)]  # of a term; 0 switches it off
Decay = Annotated[float, Field(ge=0, lt=1)]  # of a moving average
Rate = Annotated[float, Field(gt=0, le=100)]  # of the phones' SGD
Count = Annotated[int, Field(ge=0)]  # of phones
