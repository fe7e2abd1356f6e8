"""Counts of a table: photos of each class and part, training views, people."""

from dataclasses import dataclass

import numpy as np

from fer_models.data.augment import ViewPlan
from fer_models.data.images import ImageTable
from fer_models.run_folder.data_facts import PeopleByPart, PhotosByPart


@dataclass(frozen=True)
class Counts:
    """Counts of a table and a plan of its training views."""

    photos: PhotosByPart
    views: dict[str, int]  # training views of each class
    people: PeopleByPart | None  # None if the people in the photos are not known


def counts(table: ImageTable, plan: ViewPlan) -> Counts:
    """Counts photos, training views and people."""

    def per_class(labels: np.ndarray) -> dict[str, int]:
        found = np.bincount(labels, minlength=len(table.classes))
        return dict(zip(table.classes, found.tolist(), strict=True))

    parts, people = range(3), table.subjects
    return Counts(
        photos=PhotosByPart(*(per_class(table.labels[table.split == part]) for part in parts)),
        views=per_class(table.labels[plan.photos[table.split[plan.photos] == 0]]),
        people=None
        if people is None
        else PeopleByPart(*(len(np.unique(people[table.split == part])) for part in parts)),
    )
