"""audit.json: what attacks found out about the phones of a finished run."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from fer_models.run_folder.files import Record

Range = tuple[float, float]  # a 95% interval


@dataclass(frozen=True)
class Seen:
    """What the server sees of a phone's update."""

    phones: int  # in the sum; 1: the update by itself
    noise: bool  # whether it is clipped and has the noise of the run

    @property
    def words(self) -> str:
        """For pages."""
        what = "its update alone" if self.phones == 1 else f"a sum of {self.phones:,}"
        return f"{what}, with noise" if self.noise else what


@dataclass(frozen=True)
class LabelsFound:
    """Class counts of a phone, guessed from what the server sees in the first round."""

    seen: Seen
    error: float  # mean L1 distance of the guessed class shares from the true ones, 0 to 2
    blind: float  # the same of a guess that sees nothing
    exact: float  # share of phones whose counts are guessed exactly
    tested: int  # phones


@dataclass(frozen=True)
class FeaturesFound:
    """The mean feature of a phone's largest class, and the phone, from what the server sees."""

    seen: Seen
    cosine: float  # mean cosine of the recovered and the true mean feature, both less that of other people
    identified: float  # how often the phone is the nearest of all that were tested
    by_luck: float  # the same of a guess among the phones that hold the class
    tested: int  # phones


@dataclass(frozen=True)
class MembersFound:
    """LiRA: whether a photo, or a phone, was trained on, from the head alone."""

    unit: str  # "photo" or "phone"
    shadows: int  # heads, each trained on a random half
    tested: int  # guesses: units times heads
    auc: float
    auc_range: Range
    tpr_at_1: float  # true positive rate at a false positive rate of 1%
    tpr_at_1_range: Range
    tpr_at_01: float  # at 0.1%
    tpr_at_01_range: Range
    fpr: tuple[float, ...]  # of the ROC, rising
    tpr: tuple[float, ...]


@dataclass(frozen=True)
class CanariesFound:
    """Phones that are easy to find, each in or out by a coin: lower bounds on epsilon at `delta`."""

    canaries: int
    inside: int
    delta: float
    claim: float  # the epsilon that the accountant gives for the audited rounds
    clopper_pearson: float  # one threshold, fixed beforehand
    one_run: float  # corrected for the numbers of guesses tried
    gaussian: float  # if the scores are normal
    noise_ratio: float  # variance of the noise over what it should be
    noise_p: float  # of a chi-square test that it is what it should be

    @property
    def broken(self) -> bool:
        """Whether the claim does not hold."""
        return self.bound > self.claim or self.noise_p < 1e-6

    @property
    def bound(self) -> float:
        """The greatest of the bounds that hold for mechanisms of any kind."""
        return max(self.clopper_pearson, self.one_run)


@dataclass(frozen=True)
class Picture:
    """A photo on a phone, and the photos nearest to what was recovered: names of files in `audit`."""

    phone: int
    emotion: str
    true: str
    found: tuple[str, ...]  # one for each way of seeing


@dataclass(frozen=True, kw_only=True)
class Audit(Record):
    """What each attack found; an attack that was not made found nothing."""

    FILE: ClassVar[str] = "audit.json"

    seed: int
    labels: tuple[LabelsFound, ...] = ()
    features: tuple[FeaturesFound, ...] = ()
    members: tuple[MembersFound, ...] = ()
    canaries: tuple[CanariesFound, ...] = ()
    pictures: tuple[Picture, ...] = ()

    @property
    def broken(self) -> Sequence[CanariesFound]:
        """The repetitions that refute the claim."""
        return [each for each in self.canaries if each.broken]
