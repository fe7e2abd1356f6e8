"""What the published study reported: one number each for three models, on its own photos of five classes.

Its figures stand beside ours as the setting that was repeated; other photos, another split and one seed
make them no numbers to compare with.
"""

from dataclasses import dataclass

CAUTION = "published on other photos: the setting is the same, the numbers cannot be compared"


@dataclass(frozen=True)
class Published:
    """One model of the published study.

    Fields:
        model: its name there. ours: the model here that repeats it.
        accuracy: a share of the test photos. seconds: of training; None where no time was given.
    """

    model: str
    ours: str
    accuracy: float
    seconds: float | None


PUBLISHED = (
    Published("MobileNetV2", "mobilenet", 0.49, 34 * 60.0),
    Published("MobileNetV2 with extra layers", "mobilenet-deep", 0.48, None),
    Published("small CNN", "cnn", 0.51, 60 * 60.0),
)
