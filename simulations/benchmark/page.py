"""benchmark.json -> benchmark.html: the answer, the arms, the cost of federation step by step, and how it
was made.

Self-contained: it embeds everything, links only to files beside it, and its one script sorts a table.
"""

from html import escape as esc
from pathlib import Path

from fer_models.machine.cache import whole_file
from simulations.benchmark import words
from simulations.benchmark.record import Benchmark
from simulations.benchmark.sections import arms, cost, method
from simulations.report import page

PAGE = "benchmark.html"

_STYLE = """
th[data-sort] { cursor: pointer; } th[data-sort]::after { content: " \\2195"; color: var(--muted); }
th small { display: block; color: var(--muted); font-size: .8125rem; font-weight: 400; }
tbody th[data-v] { white-space: nowrap; }
tbody th small { white-space: normal; min-width: 9em; max-width: 15em; }
.verdict { white-space: nowrap; } .better { color: var(--good); } .worse { color: var(--bad); }
.bar { fill: var(--s0); } .bar.down { fill: var(--bad); } .bar.up { fill: var(--good); }
.bar.open { fill: var(--before); } .whisker { stroke: var(--ink); stroke-width: 1.5; }
@media print { body { font-size: 11pt; } header, section { padding-top: 12px; margin-top: 12px; }
  details > *, details::details-content { display: block; content-visibility: visible; } }
"""

_SCRIPT = """
for (const head of document.querySelectorAll('th[data-sort]')) head.addEventListener('click', () => {
  const body = head.closest('table').tBodies[0], at = head.cellIndex, up = head.ariaSort !== 'ascending';
  for (const other of head.parentNode.cells) other.removeAttribute('aria-sort');
  head.ariaSort = up ? 'ascending' : 'descending';
  const key = row => { const v = row.cells[at].dataset.v ?? row.cells[at].textContent;
    return v !== '' && !isNaN(v) ? Number(v) : v; };
  [...body.rows].sort((a, b) => { const x = key(a), y = key(b), d = x < y ? -1 : x > y ? 1 : 0;
    return up ? d : -d; }).forEach(row => body.append(row));
});
"""


def write(benchmark: Benchmark, folder: Path) -> Path:
    """Writes `folder`/benchmark.html whole and returns its path."""
    parts = [
        _head(benchmark),
        method.null(benchmark),
        arms.arms(benchmark),
        cost.cost(benchmark),
        cost.goals(benchmark),
        cost.curves(benchmark),
        arms.classes(benchmark),
        arms.spread(benchmark),
        method.method(benchmark),
        method.traces(benchmark),
    ]
    body = "\n".join(part for part in parts if part)
    version = esc(benchmark.versions.get("fedfer", ""))
    footer = f"Written by fedfer {version} from the run folders beside this page. No network."
    text = page.skeleton(f"{benchmark.suite}: fedfer benchmark", body, footer)
    text = text.replace("</style>", f"{_STYLE}</style>").replace(
        "</body>", f"<script>{_SCRIPT}</script>\n</body>"
    )
    path = folder / PAGE
    with whole_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return path


def _head(benchmark: Benchmark) -> str:
    data = benchmark.data
    people = "" if data.people is None else f" of {data.people:,} people"
    source = "drawn faces (not photos: good for trying things out, not for conclusions)"
    photos = f"{data.photos:,} {'photos' if data.source != 'sketch' else source}{people}"
    seeds = f", {benchmark.seeds} seeds each" if benchmark.seeds > 1 else ""
    lede = f"{benchmark.about} {photos[0].upper()}{photos[1:]}, {benchmark.folds} folds{seeds}."
    return "\n".join(
        [
            "<header>",
            f'<p class="eyebrow">fedfer benchmark &middot; suite {esc(benchmark.suite)}</p>',
            f"<h1>{esc(words.headline(benchmark))}</h1>",
            page.paragraph(lede.strip(), "lede"),
            arms.scores(benchmark),
            "</header>",
        ]
    )
