"""The pages of one kind by name: what the settings may name, and which options come with it.

A page is a frozen dataclass of its options. One more of the kind is a page and a line in its registry, or,
without a line, a class of the user's own (extensions.py).
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from fer_models import extensions
from fer_models.options import AUTO, Option, declared, shown

Page = TypeVar("Page")


@dataclass(frozen=True)
class Registry(Generic[Page]):
    """Known pages in the order in which they are shown; `key` is the setting that names one."""

    key: str  # as "strategy.name"
    base: type[Page]  # of all pages, those of the user's own too
    pages: Mapping[str, type[Page]]
    default: str

    def __len__(self) -> int:
        return len(self.pages)

    def __iter__(self) -> Iterator[str]:
        return iter(self.pages)

    def __contains__(self, name: object) -> bool:
        return (isinstance(name, str) and name in self.pages) or extensions.named(name)

    def page(self, name: str) -> type[Page]:
        """The class of that name; InputError where it is the user's own and cannot be used."""
        return self.pages[name] if name in self.pages else extensions.load(self.key, name, self.base)

    def named(self, name: object) -> str:
        """The name as it came; ValueError where there is no such page."""
        if name in self:
            return str(name)
        known = ", ".join(f'"{page}"' for page in self)
        raise ValueError(
            f"must be {known} or MODULE:CLASS of your own, got {shown(name)}; the default"
            f" is {shown(self.default)}"
        )

    def options(self, *names: str) -> dict[str, dict[str, Option]]:
        """Every option of the known pages and of `names`, and what each page that has it says of it."""
        found: dict[str, dict[str, Option]] = {}
        for name in (*self, *names):
            for option, rules in declared(self.page(name)).items():  # type: ignore[arg-type]  # a class
                found.setdefault(option, {})[name] = rules
        return found

    def checked(
        self, name: str, given: Mapping[str, Any], taken: Iterable[str], *, auto: bool
    ) -> dict[str, Any]:
        """The value of every option where `name` is chosen: as `given`, or its default, which is "auto" with
        `auto`. `taken` are keys of the section that no option may have. ValueError where one cannot be used.
        """
        found = {}
        every = self.options(name)
        if clash := sorted(every.keys() & set(taken)):
            raise ValueError(f"{clash[0]} is a setting of its own; give the option of {name} another name")
        for option, owners in every.items():
            rules = owners.get(name) or next(iter(owners.values()))
            value = given.get(option, AUTO if auto else rules.default)
            found[option] = rules.checked(option, value, auto=auto)
        return found
