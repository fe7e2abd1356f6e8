"""From the settings to the attack they name."""

from collections.abc import Iterable
from typing import Annotated, ClassVar

from pydantic import BeforeValidator, Field, model_validator

from fer_models.attacks.base import Attack, Honest, Malicious
from fer_models.attacks.canary import Canary
from fer_models.attacks.label_flip import LabelFlip
from fer_models.attacks.noise import Noise
from fer_models.attacks.sign_flip import SignFlip
from fer_models.local.transforms import Transform
from fer_models.pages.registry import PageSection, Registry

PAGES: dict[str, type[Attack]] = {
    "none": Honest,
    "sign-flip": SignFlip,
    "noise": Noise,
    "label-flip": LabelFlip,
    "canary": Canary,
}
ATTACKS: Registry[Attack] = Registry("attack.name", Attack, PAGES, default="none")


class AttackConfig(PageSection):
    """The fraction of malicious phones, and what they do. Besides these keys it takes the options of all
    attacks: "auto" means the attack's default, and an option that belongs to another attack is refused.
    """

    pages: ClassVar[Registry[Attack]] = ATTACKS
    auto: ClassVar[bool] = True

    name: Annotated[str, BeforeValidator(ATTACKS.named)] = ATTACKS.default
    phones: float = Field(0.1, ge=0, le=1)

    @model_validator(mode="after")
    def _check(self) -> "AttackConfig":
        page = self.page
        if page is not Honest and page.corrupt is Attack.corrupt and page.relabel is Attack.relabel:
            raise ValueError(f'name: "{self.name}" lacks corrupt or relabel; see fer_models/attacks/base.py')
        return self

    def steps(self) -> Iterable[Transform]:
        """What malicious phones do to their updates; empty if no attack is set."""
        if self.page is not Honest:
            yield Malicious(self.phones, self.page(**self.options()))
