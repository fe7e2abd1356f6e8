"""The section of the report about the phones: which classes they hold, and how much of each."""

from html import escape as esc

from fer_models.run_folder.data_facts import PhoneFacts
from simulations.report import charts
from simulations.report.page import paragraph, section, table
from simulations.report.results import Run


def phones(run: Run) -> str:
    """A column per phone, the skew as text, and what phones hold of each class; "" if unknown."""
    held = run.data.phones
    if held is None:
        return ""
    views = _in_order([list(column) for column in zip(*held.kept.views.values(), strict=True)])
    some = "" if len(views) == held.phones else f"{len(views):,} of the "
    text = f"{some}{held.phones:,} {'phone' if held.phones == 1 else 'phones'}"
    label = f"Shares of the classes, and views, on {text}. The table beside it has the numbers."
    picture = charts.columns(views, label=label, x_title=text)
    return section(
        "What the phones hold",
        paragraph(_divergence(held)),
        paragraph(_gini(held)),
        f'<div class="grid pair"><figure>{picture}<figcaption>{esc(_reading(held, len(views)))}</figcaption>'
        f"</figure><div>{_classes(held)}</div></div>",
    )


def _divergence(held: PhoneFacts) -> str:
    here, most = held.label_divergence, held.most_divergence
    way = f" ({100 * here / most:.0f}% of that here)" if most else ""
    return (
        f"Label divergence {here:.3f} bits: how far the class mix of a phone is from that of all phones "
        "together (Jensen-Shannon, mean weighted by views). 0: the same mix everywhere; one class per phone: "
        f"{most:.3f}{way}. Phones with few views also differ by chance."
    )


def _gini(held: PhoneFacts) -> str:
    return (
        f"Size Gini {held.size_gini:.3f}: 0 if all phones hold equally many views, close to 1 if one of "
        "many holds nearly all."
    )


def _reading(held: PhoneFacts, shown: int) -> str:
    drawn = "" if shown == held.phones else f" A seeded sample of {shown:,} of all {held.phones:,} phones."
    return (
        "A column is a phone; phones are grouped by the class they hold most of, and sorted by its share. "
        "Above: shares of the classes among its views, from the top in the order of the table. Below: its "
        f"number of views; the largest phone holds {held.sizes.max:,}.{drawn}"
    )


def _in_order(views: list[list[int]]) -> list[list[int]]:
    """Columns sorted by their largest class (first of ties), then by its share, then by size."""

    def place(column: list[int]) -> tuple[int, float, int]:
        most = max(column)
        return column.index(most), -most / sum(column), -sum(column)

    return sorted(views, key=place)


def _classes(held: PhoneFacts) -> str:
    """The legend, which is also the table of what phones hold of each class."""
    rows = [
        [
            f'<span class="run"><i class="dot {charts.kind(i)}"></i><span>{esc(name)}</span></span>',
            *(f"{views:,.10g}" for views in (each.p10, each.median, each.p90)),
            f"{each.phones:,}",
        ]
        for i, (name, each) in enumerate(held.classes.items())
    ]
    title = "Views of each class on a phone, over all phones"
    lead = f"{title}: a tenth of them hold p10 or less, a tenth p90 or more. The dots show the colours."
    head = ["Class", "p10", "Median", "p90", "Phones<br>with it"]
    return paragraph(lead, "small") + table(title, head, rows)
