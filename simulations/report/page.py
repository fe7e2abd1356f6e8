"""The look of report.html: one style sheet, the skeleton, and the few elements sections are built from.

Independent of what a run is. Callers escape text with `esc`; everything else is markup.
"""

from collections.abc import Sequence
from html import escape as esc

STYLE = """
:root { color-scheme: light dark;
  --bg: #fbfbf9; --card: #ffffff; --ink: #1c2026; --muted: #59616d; --line: #dcdfe4; --grid: #e9ebee;
  --soft: #f1f2f4; --s0: #2458c5; --s1: #ad4f08; --s2: #0b7565; --s4: #7a3fb0; --good: #17703f;
  --bad: #b3261e; --before: #87919f; --note: #fff6e0; --note-line: #e3c376; --edge: #1c20264d;
  --k0: #2458c5; --k1: #d77a1c; --k2: #0b6b5d; --k3: #3d96c9; --k4: #6b1030; --k5: #6f8f2c; --k6: #5b4a8a;
  --k7: #c9605a; }
@media (prefers-color-scheme: dark) { :root {
  --bg: #14161a; --card: #1b1e24; --ink: #e6e8ec; --muted: #a4acb9; --line: #343941; --grid: #292d34;
  --soft: #21252c; --s0: #8fb4ff; --s1: #f2a65a; --s2: #58cbb6; --s4: #cba6ff; --good: #6fd39b;
  --bad: #ff9a92; --before: #6b7480; --note: #2b2515; --note-line: #6d5a29; --edge: #e6e8ec4d;
  --k0: #6f97f2; --k1: #f2b366; --k2: #2f9b88; --k3: #a3dbf7; --k4: #e8467c; --k5: #f4f0a0; --k6: #8f7bd1;
  --k7: #f5a39b; } }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0; background: var(--bg); color: var(--ink); font: 16px/1.55 system-ui, -apple-system,
  "Segoe UI", Roboto, "Helvetica Neue", "Noto Sans", Arial, sans-serif; overflow-wrap: anywhere; }
main, footer { max-width: 1112px; margin: 0 auto; padding: 0 16px; }
header { padding: 40px 0 8px; }
.eyebrow { margin: 0 0 10px; color: var(--muted); font-size: .875rem; }
h1 { margin: 0 0 14px; max-width: 30em; font-size: clamp(1.45rem, 1.1rem + 1.6vw, 2.1rem); line-height: 1.22;
  font-weight: 650; letter-spacing: -.012em; text-wrap: balance; overflow-wrap: break-word; }
h2 { margin: 0 0 6px; font-size: 1.25rem; line-height: 1.3; font-weight: 650; letter-spacing: -.005em; }
h3 { margin: 0 0 8px; font-size: .9375rem; font-weight: 600; }
section { margin-top: 44px; padding-top: 26px; border-top: 1px solid var(--line); }
p { margin: 0 0 12px; max-width: 70ch; }
.lede { font-size: 1.0625rem; }
.small, figcaption { color: var(--muted); font-size: .875rem; line-height: 1.5; }
figcaption { margin-top: 10px; max-width: 76ch; }
a { color: var(--s0); text-underline-offset: 2px; }
code, pre { font: .875em/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; }
code { background: var(--soft); border-radius: 4px; padding: .1em .35em; }
pre { margin: 8px 0 14px; padding: 12px 14px; background: var(--soft); border-radius: 8px; overflow-x: auto;
  white-space: pre-wrap; }
.note { margin: 20px 0 0; padding: 14px 16px; background: var(--note); border: 1px solid var(--note-line);
  border-radius: 8px; }
.note p:last-child { margin: 0; }
.grid { display: grid; gap: 28px 32px;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 300px), 1fr)); }
.pair { grid-template-columns: repeat(auto-fit, minmax(min(100%, 380px), 1fr)); align-items: start; }
.grid > * { min-width: 0; }
figure { margin: 18px 0 0; }
dl { display: grid; gap: 16px 28px; margin: 16px 0 0;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 230px), 1fr)); }
dt { color: var(--muted); font-size: .8125rem; }
dd { margin: 0; }
.scroll { overflow-x: auto; margin: 14px 0 0; --under: var(--bg); }
/* A shadow at the right edge while more is hidden there: what scrolls along covers it at the end. */
.scroll, .plate { background: linear-gradient(to left, var(--under) 40%, transparent) 100% 0 / 44px 100%
  no-repeat local, linear-gradient(to left, var(--edge), transparent) 100% 0 / 14px 100% no-repeat scroll
  var(--under); }
table { border-collapse: separate; border-spacing: 0; font-size: .9375rem; font-variant-numeric: tabular-nums;
  overflow-wrap: normal; }
th, td { padding: 7px 14px 7px 0; text-align: right; font-weight: 400; vertical-align: top; }
tbody th, tbody td { border-top: 1px solid var(--line); }
tbody tr:last-child > *, th.group { border-bottom: 1px solid var(--line); }
th:last-child, td:last-child { padding-right: 2px; }
thead th { color: var(--muted); font-size: .8125rem; vertical-align: bottom; line-height: 1.35; }
th[scope=row], th.first { text-align: left; }
tbody th[scope=row] { font-weight: 500; }
th.group { text-align: center; border-left: 1px solid var(--line); padding-left: 14px; }
td.open, th.open { border-left: 1px solid var(--line); padding-left: 14px; }
td.text, th.text { text-align: left; }
td { white-space: nowrap; }
td.text { white-space: normal; min-width: 9em; }
th code { overflow-wrap: anywhere; }
td small { display: block; color: var(--muted); font-size: .8125rem; }
.sticky th[scope=row], .sticky th.first { position: sticky; left: 0; background: var(--bg); }
.matrix tbody tr > *, .matrix thead tr > * { padding: 0; border: 2px solid var(--bg); }
.matrix tbody td { min-width: 50px; height: 48px; text-align: center; vertical-align: middle;
  line-height: 1.2; background: color-mix(in srgb, var(--s0) var(--share, 0%), var(--soft));
  border-radius: 6px; }
.matrix td small { color: inherit; font-size: .75rem; }
.matrix td.hit { font-weight: 650; }
.matrix tbody th[scope=row] { padding: 0 10px 0 0; vertical-align: middle; }
.matrix thead th.turn { text-align: center; padding: 0 2px 6px; }
.many thead th.turn { writing-mode: vertical-rl; transform: rotate(180deg); text-align: left; padding: 6px 0;
  line-height: 50px; white-space: nowrap; }
.chart { display: block; width: 100%; max-width: 440px; height: auto; overflow: visible; }
.chart text { font-size: 11.5px; fill: var(--muted); paint-order: stroke; stroke: var(--bg);
  stroke-width: 3px; stroke-linejoin: round; font-variant-numeric: tabular-nums; }
.chart text.name { font-size: 12.5px; fill: var(--ink); }
.chart .grid { stroke: var(--grid); }
.chart .axis { stroke: var(--muted); }
.chart .reference { stroke: var(--muted); stroke-dasharray: 2 3; }
.line { fill: none; stroke-width: 2; stroke-linejoin: round; }
.line.s0 { stroke: var(--s0); stroke-width: 2.5; }
.line.s1 { stroke: var(--s1); stroke-dasharray: 6 3; }
.line.s2 { stroke: var(--s2); stroke-dasharray: 1.5 2.5; stroke-width: 2.5; }
.line.s3 { stroke: var(--muted); stroke-dasharray: 3 3; stroke-width: 1.5; }
.line.s4 { stroke: var(--s4); stroke-dasharray: 9 2.5; }
.line.solid { stroke-dasharray: none; stroke-width: 2.5; opacity: .55; }
.mark { stroke: var(--bg); stroke-width: 1.5; }
.mark.s0 { fill: var(--s0); } .mark.s1 { fill: var(--s1); } .mark.s2 { fill: var(--s2); }
.mark.s3 { fill: var(--muted); } .mark.s4 { fill: var(--s4); }
.band { fill: var(--s0); background: var(--s0); opacity: .18; }
.swatch { width: 32px; height: 14px; flex: none; margin-right: 8px; position: relative; top: .22em; }
.run { display: flex; align-items: flex-start; min-width: 8.5em; }
.before { fill: var(--before); background: var(--before); } .after { fill: var(--s0); background: var(--s0); }
.k0 { --k: var(--k0); } .k1 { --k: var(--k1); } .k2 { --k: var(--k2); } .k3 { --k: var(--k3); }
.k4 { --k: var(--k4); } .k5 { --k: var(--k5); } .k6 { --k: var(--k6); } .k7 { --k: var(--k7); }
path[class^=k] { fill: var(--k); } path.before, path[class^=k] { shape-rendering: crispEdges; }
.dot[class*=" k"] { --c: var(--k); } .again { opacity: .5; }
.key { list-style: none; display: flex; flex-wrap: wrap; gap: 4px 20px; margin: 0 0 12px; padding: 0;
  font-size: .875rem; }
.key i { display: inline-block; width: 12px; height: 12px; margin-right: 7px; border-radius: 3px; }
.strip { display: flex; gap: 2px; height: 14px; margin: 16px 0 4px; border-radius: 4px; overflow: hidden; }
.strip i, .dot { background: var(--c); min-width: 2px; }
.dot { flex: none; width: 11px; height: 11px; margin: .4em 8px 0 0; border-radius: 3px; }
.faces { display: grid; gap: 18px 14px; grid-template-columns: repeat(auto-fill, minmax(104px, 1fr));
  margin: 10px 0 26px; padding: 0; list-style: none; }
.faces figure { margin: 0; }
.faces img { display: block; width: 100%; height: auto; aspect-ratio: 1; object-fit: cover;
  border-radius: 8px; background: var(--soft); }
.faces figcaption { margin-top: 6px; font-size: .8125rem; line-height: 1.35; overflow-wrap: anywhere; }
.faces b { display: block; color: var(--ink); font-weight: 600; }
.right b::first-letter { color: var(--good); } .wrong b::first-letter { color: var(--bad); }
.plate { --under: #ffffff; --edge: #1c20264d; isolation: isolate; border: 1px solid var(--line);
  border-radius: 8px; padding: 14px 16px; overflow-x: auto; }
.plate img { display: block; width: 100%; height: auto; margin: 0 auto; mix-blend-mode: multiply; }
dl.lines { grid-template-columns: 1fr; gap: 12px; } .lines dd { font-size: .9375rem; }
.lines b { color: var(--ink); font-size: .9375rem; font-weight: 600; } dl.lines + p { margin-top: 14px; }
.scroll + h3, dl + h3, .pair + h3 { margin-top: 26px; } .key .band { margin-top: .4em; }
.scroll + p { margin-top: 12px; }
tr.aside > * { color: var(--muted); }
details { margin-top: 16px; } details > .grid { margin-top: 14px; }
summary { cursor: pointer; color: var(--s0); }
ul.files { margin: 6px 0 0; padding-left: 20px; }
footer { padding-top: 36px; padding-bottom: 48px; color: var(--muted); font-size: .8125rem; }
@media (max-width: 640px) {
  header { padding-top: 26px; } section { margin-top: 34px; padding-top: 22px; }
  dl:not(.lines) { grid-template-columns: 1fr 1fr; gap: 14px 18px; }
  .matrix tbody td { min-width: 44px; height: 44px; font-size: .875rem; }
  .matrix thead th.turn { writing-mode: vertical-rl; transform: rotate(180deg); text-align: left;
    padding: 6px 0; line-height: 44px; white-space: nowrap; }
  .plate img { min-width: min(var(--wide), 840px); }
  .many tbody td { min-width: 29px; font-size: .75rem; } .many td small { font-size: .6875rem; }
  .many thead th.turn { line-height: 29px; }
  .many tbody th[scope=row] { font-size: .8125rem; padding-right: 6px; }
}
@media print { .scroll { overflow: visible; } section { break-inside: avoid; } }
"""


def skeleton(title: str, body: str, footer: str) -> str:
    """The whole document; `title` is plain text, the rest markup."""
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{esc(title)}</title>
<style>{STYLE}</style>
</head>
<body>
<main>
{body}
</main>
<footer>{footer}</footer>
</body>
</html>
"""


def section(title: str, *parts: str) -> str:
    """A section under its own heading."""
    return f"<section>\n<h2>{esc(title)}</h2>\n" + "\n".join(part for part in parts if part) + "\n</section>"


def paragraph(text: str, kind: str = "") -> str:
    """A paragraph of plain text."""
    return f'<p class="{kind}">{esc(text)}</p>' if kind else f"<p>{esc(text)}</p>"


def facts(pairs: Sequence[tuple[str, str]]) -> str:
    """A list of names and plain-text values; pairs without a value are omitted."""
    items = (f"<div><dt>{esc(name)}</dt><dd>{esc(value)}</dd></div>" for name, value in pairs if value)
    return f"<dl>{''.join(items)}</dl>"


def table(
    name: str,
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    text: Sequence[int] = (),
    aside: Sequence[int] = (),
) -> str:
    """A table in its own scroll box; heads and cells are markup, the first cell of a row is its heading.

    `name`: its accessible label. `text`: the columns that hold words. `aside`: the rows that are there for
    comparison only.
    """

    def side(i: int) -> str:
        return ' class="first"' if i == 0 else ' class="text"' if i in text else ""

    heads = "".join(f'<th scope="col"{side(i)}>{cell}</th>' for i, cell in enumerate(head))
    body = "".join(
        f'<tr{" class=aside" if number in aside else ""}><th scope="row">{row[0]}</th>'
        + "".join(f"<td{side(i)}>{cell}</td>" for i, cell in enumerate(row[1:], start=1))
        + "</tr>"
        for number, row in enumerate(rows)
    )
    return scroll(f"<table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>", name)


def scroll(markup: str, name: str) -> str:
    """A box that scrolls sideways on its own, reachable by keyboard."""
    return f'<div class="scroll sticky" role="region" tabindex="0" aria-label="{esc(name)}">{markup}</div>'


def folded(title: str, markup: str) -> str:
    """A collapsed section that opens on a click."""
    return f"<details><summary>{esc(title)}</summary>{markup}</details>"


def percent(share: float) -> str:
    """0.6312 -> "63.1%"."""
    return f"{100 * share:.1f}%"


def signed(number: float, digits: int) -> str:
    """Always with a sign, and with a real minus, which a number that rounds to 0 has not."""
    return f"{round(number, digits) + 0.0:+.{digits}f}".replace("-", "\N{MINUS SIGN}")


def duration(seconds: float) -> str:
    """Seconds in readable units."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def size(count: float) -> str:
    """Bytes in decimal units."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} B" if unit == "B" else f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:,.3g} TB"
