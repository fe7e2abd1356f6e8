"""What the published study reported: one accuracy each for three models, on its own photos of five classes.

They are shown beside ours because the setting is the same; other photos, another split and a single seed
mean that the numbers cannot be compared.
"""

from dataclasses import dataclass

CAUTION = "published on other photos: the setting is the same, the numbers cannot be compared"


@dataclass(frozen=True)
class Published:
    """One model of the published study.

    Fields:
        model: its name there. ours: the model here that reproduces it.
        accuracy: a share of the test photos. seconds: of training; None if not reported.
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
