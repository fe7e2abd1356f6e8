"""The pages of one kind by name: the names that the settings accept, and the options of each.

A page is a frozen dataclass of its options. To add one of the kind, write a page and a line in its registry,
or, without such a line, a user-defined class (extensions.py).
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

from pydantic import ConfigDict, model_validator

from fer_models.config import Section
from fer_models.pages import extensions
from fer_models.pages.options import AUTO, Option, as_toml, declared

Page = TypeVar("Page")


@dataclass(frozen=True)
class Registry(Generic[Page]):
    """Known pages in the order in which they are shown; `key` is the setting that names one."""

    key: str  # such as "strategy.name"
    base: type[Page]  # base class of all pages, user-defined ones included
    pages: Mapping[str, type[Page]]
    default: str
    own: bool = True  # whether user-defined classes are allowed

    def __len__(self) -> int:
        return len(self.pages)

    def __iter__(self) -> Iterator[str]:
        return iter(self.pages)

    def __contains__(self, name: object) -> bool:
        return (isinstance(name, str) and name in self.pages) or (self.own and extensions.is_extension(name))

    def page(self, name: str) -> type[Page]:
        """The class of that name; InputError if it is user-defined and cannot be used."""
        return self.pages[name] if name in self.pages else extensions.load(self.key, name, self.base)

    def named(self, name: object) -> str:
        """The name unchanged; ValueError if there is no such page."""
        if name in self:
            return str(name)
        *most, last = [f'"{page}"' for page in self] + ["MODULE:CLASS of your own"] * self.own
        raise ValueError(
            f"must be {', '.join(most)} or {last}, got {as_toml(name)}; the default is"
            f" {as_toml(self.default)}"
        )

    def options(self, *names: str) -> dict[str, dict[str, Option]]:
        """Every option of the known pages and of `names`: option -> page name -> its declaration."""
        found: dict[str, dict[str, Option]] = {}
        for name in (*self, *names):
            for option, rules in declared(self.page(name)).items():
                found.setdefault(option, {})[name] = rules
        return found

    def checked(
        self, name: str, given: Mapping[str, Any], taken: Iterable[str], *, auto: bool
    ) -> dict[str, Any]:
        """The value of every option if `name` is chosen: as `given`, or its default.

        With `auto` the default is "auto", and an option of another page is refused. `taken` are keys of the
        section that no option may use. ValueError, one line that starts with the option, if one cannot be
        used.
        """
        found = {}
        every = self.options(name)
        if clash := sorted(every.keys() & set(taken)):
            raise ValueError(f"{clash[0]} is a setting of its own; give the option of {name} another name")
        for option, owners in every.items():
            rules = owners.get(name) or next(iter(owners.values()))
            value = given.get(option, AUTO if auto else rules.default)
            found[option] = rules.checked(option, value, auto=auto)
            if auto and value != AUTO and name not in owners:
                raise ValueError(
                    f"{option} belongs to {', '.join(owners)}; {self.key} is {name}; leave it out"
                )
        if unknown := sorted(given.keys() - found.keys() - set(taken)):
            raise ValueError(f"{unknown[0]} is unknown; leave it out")
        return found


class PageSection(Section):
    """A section of the settings where one key names a page, and the options of all pages are keys as well."""

    model_config = ConfigDict(extra="allow")

    pages: ClassVar[Registry[Any]]
    auto: ClassVar[bool] = False  # whether options default to "auto", and those of other pages are refused

    @classmethod
    def _named(cls, given: Mapping[str, Any]) -> Any:
        return given.get(cls.pages.key.partition(".")[2], cls.pages.default)

    @classmethod
    def known_keys(cls, given: Mapping[str, Any]) -> Iterable[str]:
        """Includes the options of all pages, and of a user-defined page if `given` names one."""
        name = cls._named(given)
        return [*cls.model_fields, *cls.pages.options(*[name] if name in cls.pages else [])]

    @model_validator(mode="before")
    @classmethod
    def _with_options(cls, given: Any) -> Any:
        if not isinstance(given, dict) or (name := cls._named(given)) not in cls.pages:
            return given
        options = cls.pages.checked(name, given, cls.model_fields, auto=cls.auto)
        return {**{key: given[key] for key in cls.model_fields if key in given}, **options}

    @property
    def page(self) -> type[Any]:
        """The class of the chosen page."""
        return self.pages.page(self._named(vars(self)))

    def options(self) -> dict[str, Any]:
        """The options of the chosen page, as set or by default."""
        values = self.model_extra or {}
        return {
            option: rules.default if values[option] == AUTO else values[option]
            for option, rules in declared(self.page).items()
        }
