"""From the settings to the transforms they configure."""

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import ConfigDict, model_validator

from fer_models.config import Names, Section
from fer_models.local.clipping import ClipNorm
from fer_models.local.transforms import Transform
from fer_models.pages.options import as_toml
from fer_models.pages.registry import Registry

# In the order in which they apply, after user-defined ones: clipping bounds the output of all before it.
PAGES: dict[str, type[Transform]] = {
    "clip-norm": ClipNorm,
}
TRANSFORMS: Registry[Transform] = Registry("update.transforms", Transform, PAGES, default="")


class UpdateConfig(Section):
    """What happens to every phone's update before it is summed: the options that the transforms' pages
    declare, and those of user-defined classes, which `transforms` names.
    """

    model_config = ConfigDict(extra="allow")

    transforms: Names = ()

    @classmethod
    def known_keys(cls, given: Mapping[str, Any]) -> Iterable[str]:
        """Includes the options of all transforms, and of user-defined ones if `given` names any."""
        names = given.get("transforms", ())
        listed = names if isinstance(names, list | tuple) else ()
        own = [name for name in listed if isinstance(name, str) and name in TRANSFORMS]
        return [*cls.model_fields, *TRANSFORMS.options(*own)]

    @model_validator(mode="before")
    @classmethod
    def _with_options(cls, given: Any) -> Any:
        names = given.get("transforms", ()) if isinstance(given, dict) else ()
        if not isinstance(names, list | tuple):
            return given
        for name in names:
            if not isinstance(name, str) or name in PAGES or name not in TRANSFORMS:
                raise ValueError(
                    f"transforms must be a list of MODULE:CLASS of your own, got {as_toml(name)} in it; "
                    f"set {', '.join(TRANSFORMS.options())} directly"
                )
        for name in names:
            page = TRANSFORMS.page(name)
            if page.__call__ is Transform.__call__ and page.groups is Transform.groups:
                raise ValueError(f'transforms: "{name}" lacks __call__; see fer_models/local/transforms.py')
        every = TRANSFORMS.options(*names)
        for option, owners in every.items():
            if len({(str(rule.annotation), rule.default) for rule in owners.values()}) > 1:
                raise ValueError(
                    f"{option} is declared differently by {' and '.join(owners)}; rename it in one of them"
                )
        if clash := sorted(every.keys() & cls.model_fields.keys()):
            raise ValueError(f"{clash[0]} is a setting of its own; give the option another name")
        if unknown := sorted(given.keys() - every.keys() - cls.model_fields.keys()):
            raise ValueError(f"{unknown[0]} is unknown; leave it out")
        rules = {option: next(iter(owners.values())) for option, owners in every.items()}
        options = {
            option: rule.checked(option, given.get(option, rule.default), auto=False)
            for option, rule in rules.items()
        }
        return {**given, **options}

    def steps(self) -> Iterable[Transform]:
        """The transforms that change something, in the order in which they apply."""
        values = self.model_extra or {}
        own = [TRANSFORMS.page(name) for name in self.transforms]
        built_in = [name for name, page in PAGES.items() if not any(issubclass(one, page) for one in own)]
        for name in (*self.transforms, *built_in):
            owned = [option for option, owners in TRANSFORMS.options(name).items() if name in owners]
            step = TRANSFORMS.page(name)(**{option: values[option] for option in owned})
            if step.active:
                yield step
