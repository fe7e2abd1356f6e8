"""What `fedfer data show` prints about a face set; the numbers come from simulations/world/census.py."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from fer_models.errors import InputError
from simulations.config import Config
from simulations.report.page import percent
from simulations.run.request import check_cache
from simulations.terminal.display import Display
from simulations.world import census
from simulations.world.face_set import (
    Balance,
    Census,
    Copies,
    NearDuplicates,
    People,
    PhotosOfSize,
    Unreadable,
)

_WIDTH = 92  # columns used at most
_BAR = 24  # columns of the longest bar
_FEW = 5  # entries shown of a long list
_BESIDE = 59  # columns taken by the numbers beside the bars


def describe(config: Config, folder: Path | None, quiet: bool) -> None:
    """Prints what is in the face set of a configuration, and writes it to `folder` if one is given."""
    check_cache()
    console = Console(highlight=False)
    try:
        with Display(quiet) as display:
            taken = census.take(config, display.stage)
    except InputError:
        if not quiet:
            show_found(census.found(config), console)
        raise
    if not quiet:
        show(taken, console)
    if folder is not None:
        census.write(taken, folder)
        if not quiet:
            where = f"\nWritten to {folder}: data.json, imbalance.png, imbalance.svg"
            console.print(where, markup=False, soft_wrap=True)


def show(census: Census, console: Console) -> None:
    """Prints the census as wide as the terminal, at most _WIDTH columns."""
    width = min(console.width - 1, _WIDTH)
    ledger = census.ledger
    told = [Text(line) for line in (ledger.line(), *ledger.notes_and_names())]
    told += [Text(line, style="yellow") for line in ledger.alarms()]
    parts: list[RenderableType] = [_title(census), "", *told, "", _classes(census, console, width), ""]
    if census.subjects:
        parts += [_people(census.subjects), ""]
    parts.append(_facts(census))
    for name, rows in _lists(census):
        if rows:
            parts += ["", _listed(name, rows, width)]
    _print(Group(*parts), console, width)


def show_found(found: dict[str, int], console: Console) -> None:
    """Prints which emotions there are, for a set that cannot be used with these settings."""
    table = _table("Emotion", "Photos")
    for name, photos in sorted(found.items(), key=lambda item: -item[1]):
        table.add_row(Text(name), f"{photos:,}")
    _print(Group("", table, ""), console, min(console.width - 1, _WIDTH))


def _print(what: RenderableType, console: Console, width: int) -> None:
    with console.capture() as captured:
        console.print(what, width=width)
    text = "\n".join(line.rstrip() for line in captured.get().split("\n"))
    console.out(text.encode(console.encoding, "replace").decode(console.encoding), end="", highlight=False)


def _title(census: Census) -> Text:
    total, used = sum(census.found.values()), sum(census.photos.totals.values())
    people = census.subjects.all.subjects if census.subjects else 0
    drawn = census.source == "sketch"
    return Text.assemble(
        "\n",
        ("drawn faces (embedded set, sketch)" if drawn else census.source, "bold"),
        f"\n{_many(total, 'photo')}, {_many(len(census.found), 'emotion')}; in use: ",
        f"{_many(used, 'photo')}",
        f" of {_many(people, 'person', 'people')}" if people else "",
        f", {_many(len(census.classes), 'emotion')}",
    )


def _classes(census: Census, console: Console, width: int) -> Table:
    """Photos of every emotion, those in use by part, and their training views."""
    found, photos, views = census.found, census.photos, census.balance.after
    table = _table("Emotion", "Found", "Train", "Valid.", "Test", "Views")
    bars = _bars(console, min(_BAR, width - _BESIDE)) if width >= _BESIDE + 8 else None
    if bars:
        table.add_column("")
    most = max(found.values())
    rest = sorted((name for name in found if name not in census.classes), key=lambda name: -found[name])
    for name in [*census.classes, *rest]:
        used = name in census.classes
        numbers = (
            [part[name] for part in (photos.train, photos.validation, photos.test)] + [views[name]]
            if used
            else []
        )
        cells = [f"{number:,}" for number in numbers] or ["-", "-", "-", "not used"]
        bar = [bars(found.get(name, 0) / most)] if bars else []
        style = "" if used else "dim"
        table.add_row(Text(name), f"{found.get(name, 0):,}", *cells, *bar, style=style)
    sums = [*photos.totals.values(), sum(views.values())]
    table.add_row()
    table.add_row("all", f"{sum(found.values()):,}", *(f"{number:,}" for number in sums), style="bold")
    if census.subjects:
        table.add_row("people", "", *(f"{number:,}" for number in census.subjects.parts.values()), "")
    return table


def _bars(console: Console, room: int) -> Callable[[float], Text]:
    full, eighths = ("█", " ▏▎▍▌▋▊▉") if console.encoding.lower().startswith("utf") else ("#", " ")

    def bar(share: float) -> Text:
        whole, part = divmod(max(round(share * room * len(eighths)), share > 0), len(eighths))
        return Text(full * whole + eighths[part].strip(), style="cyan")

    return bar


def _people(people: People) -> Table:
    """How many people each class has, and how many photos each of them."""
    table = _table("Photos of one person", "People", "Min", "Median", "Max")
    for name, each in [*people.classes.items(), ("all", people.all)]:
        cells = (f"{each.subjects:,}", f"{each.min:,}", f"{each.median:,g}", f"{each.max:,}")
        table.add_row(Text(name), *cells, style="bold" if name == "all" else "")
    return table


def _facts(census: Census) -> Table:
    table = Table(box=None, padding=(0, 3, 0, 0), pad_edge=False, show_header=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, text in (
        ("sizes", _sizes(census.sizes)),
        ("unreadable", _unreadable(census.unreadable)),
        ("copies", _copies(census.copies)),
        ("near duplicates", _near(census.near_duplicates)),
        ("people in two parts", _shared(census)),
        ("balance", _balance(census.balance)),
    ):
        if text:
            table.add_row(name, text)
    return table


def _sizes(sizes: Sequence[PhotosOfSize]) -> Text:
    lines = [f"{kind.width}x{kind.height} {kind.mode}: {kind.photos:,}" for kind in sizes]
    more = [f"and {_many(len(lines) - _FEW, 'other size')}"] if len(lines) > _FEW else []
    return Text("\n".join(lines[:_FEW] + more))


def _unreadable(broken: Unreadable) -> Text:
    if not broken.photos:
        return Text("none", style="green")
    text = Text(f"{_many(broken.photos, 'photo')} ({percent(broken.share)})", style="yellow")
    if broken.share > broken.allowed:
        text.append(f": too many to run, data.max_unreadable is {percent(broken.allowed)}", style="bold")
    return text


def _copies(copies: Copies) -> Text:
    if not copies.photos:
        return Text("none with the same bytes", style="green")
    across = copies.across_parts
    text = Text(f"{_many(copies.photos, 'photo')} with the bytes of another", style="yellow")
    text.append(f", in {_many(len(copies.groups), 'group')}; {_across(across, 'group')}")
    return text.append(_of_two(copies.of_two_classes, "group", "emotions"))


def _near(near: NearDuplicates) -> Text:
    if not near.pairs:
        return Text("none", style="green")
    count = f"{'more than ' if near.more else ''}{_many(near.pairs, 'pair')}"
    text = Text(count, style="yellow").append(f"; {_across(near.across_parts, 'pair')}")
    text.append(_of_two(near.of_two_classes, "pair", "emotions"))
    return text.append(_of_two(near.of_two_subjects, "pair", "people"))


def _shared(census: Census) -> Text | None:
    if not census.subjects:
        return None
    shared, people = census.subjects_in_two_parts, census.subjects.all.subjects
    if not shared:
        return Text("none", style="green")
    return Text(
        f"{len(shared):,} of {people:,}: the test photos show people seen in training; set data.split_by"
        " to subject",
        style="yellow",
    )


def _balance(balance: Balance) -> Text:
    before, wanted = balance.before, balance.views_per_class
    large, small = max(before, key=lambda name: before[name]), min(before, key=lambda name: before[name])
    text = Text(f"{large} {before[large]:,} to {small} {before[small]:,} training photos,")
    text.append(f" {balance.ratio_before:.3g} to 1; ")
    if not wanted:
        return text.append("not balanced (data.balance is 0)")
    return text.append(f"{balance.ratio_after:.3g} to 1 after balancing {balance.how}")


def _across(number: int, unit: str) -> str:
    return f"{_many(number, unit)} across parts" if number else "none across parts"


def _of_two(number: int, unit: str, what: str) -> str:
    return f"; {_many(number, unit)} of two {what}" if number else ""


def _lists(census: Census) -> Iterator[tuple[str, list[tuple[str, ...]]]]:
    """Heading and rows of what is listed: unreadable photos, copies, near duplicates."""
    yield "Unreadable photos", [(each.reason, each.file) for each in census.unreadable.files]
    for name, pairs in (
        ("Copies", [group[:2] for group in census.copies.groups]),
        ("Near duplicates", [each.photos for each in census.near_duplicates.list]),
    ):
        rows = [(", ".join(each.part for each in pair), *(each.file for each in pair)) for pair in pairs]
        yield name, rows


def _listed(name: str, rows: list[tuple[str, ...]], width: int) -> RenderableType:
    """The first few rows under a heading; on a narrow terminal, files below one another."""
    if width < _BESIDE + 16:
        rows = [(first, "\n".join(files)) for first, *files in rows]
    table = Table(box=None, padding=(0, 3, 0, 0), pad_edge=False, show_header=False)
    for column in range(len(rows[0])):
        table.add_column(style="" if column else "dim", no_wrap=column == 0, overflow="fold")
    for row in rows[:_FEW]:
        table.add_row(*map(Text, row))
    parts: list[RenderableType] = [Text(name, style="bold"), table]
    if len(rows) > _FEW:
        parts.append(Text(f"and {len(rows) - _FEW:,} more, all with --out DIR", style="dim"))
    return Group(*parts)


def _many(number: int, one: str, many: str = "") -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def _table(first: str, *others: str) -> Table:
    table = Table(box=None, padding=(0, 3, 0, 0), pad_edge=False, header_style="bold")
    table.add_column(first, no_wrap=True)
    for name in others:
        table.add_column(name, justify="right", no_wrap=True)
    return table
