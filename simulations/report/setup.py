"""The sections of the report about the run itself: its settings, its cost, how to repeat it."""

from html import escape as esc

from fer_models.models import MODELS
from fer_models.run_folder.data_facts import GroupDraw
from fer_models.run_folder.environment import Environment
from fer_models.run_folder.summary import Summary
from fer_models.updates import chosen
from server.strategies.registry import make
from simulations.config import FederationConfig
from simulations.report import page
from simulations.report.page import duration, paragraph, percent, section, size, table
from simulations.report.results import Run


def setup(run: Run) -> str:
    """What was run and on what."""
    s, env = run.summary, run.environment
    people = run.data.subjects
    source = "drawn faces (embedded set, sketch)" if run.data.source == "sketch" else run.data.source
    total = sum(run.data.photos.totals.values())
    pairs = [
        ("Experiment", str(s.experiment)),
        ("Model", _model(run)),
        ("Photos", source),
        ("In use", f"{total:,} photos" + (f" of {people.total:,} people" if people else "")),
        ("Split", _split(run)),
        ("Training", f"{run.steps}, {_views(run)}"),
        *(_phones(run) if run.federated else []),
        ("Local update" if run.federated else "Optimiser", _update(run)),
        *([("Updates", words)] if run.federated and (words := _transforms(run)) else []),
        ("Selected head", _selected(run)),
        ("Seed", _seeds(s)),
        ("Machine", machine(env)),
        ("Date", date(env)),
        ("Versions", versions(env)),
    ]  # fmt: skip
    return section("What was run, and on what", page.facts(pairs))


def _model(run: Run) -> str:
    model = MODELS[run.summary.model]
    weights = f"; weights {run.config.model.weights}" if model.weights else ""
    return f"{run.summary.model}: {model.about}{weights}"


def _split(run: Run) -> str:
    by = run.config.data.split_by
    unit = "by person" if run.data.subjects and by != "photo" else "by photo"
    data = run.config.data
    if data.split == "given":
        unit = "as given with the photos"
    if data.folds:
        unit += f", test photos: fold {data.fold} of {data.folds} (0 to {data.folds - 1})"
    sizes = (f"{photos:,} {part}" for part, photos in run.data.photos.totals.items())
    return f"{', '.join(sizes)}; {unit}, before any other step{''.join(map(_drawn, run.data.drawn))}"


def _drawn(draw: GroupDraw) -> str:
    """How people were divided, preceded by a semicolon."""
    if draw.tolerance is None:
        return f"; {draw.what} by a search, since none of {draw.draws} random draws fitted"
    number = f"{draw.draws} draws" if draw.draws > 1 else "first draw"
    off = f"{100 * draw.tolerance:g} points of those asked for"
    return f"; {draw.what} drawn at random, {number}, shares of classes within {off}"


def _seeds(summary: Summary) -> str:
    """run.seed, and the seeds that differ from it."""
    s = summary
    each = {"split": s.split_seed, "partition": s.partition_seed, "training": s.train_seed}
    own = [f"{name} {seed}" for name, seed in each.items() if seed not in (None, s.seed)]
    return ", ".join([str(s.seed), *own])


def _phones(run: Run) -> list[tuple[str, str]]:
    s, federation, shards = run.summary, run.config.federation, run.data.phones
    some = 0 if run.config.strategy.page.closed_form else federation.phones_per_round
    expected = "expected " if s.privacy is not None and s.privacy.sampling == "poisson" else ""
    pairs = [
        ("Phones", f"{s.phones:,}, {'all' if not some else format(some, ',')} {expected}in each round"),
        ("Local epochs per round", str(federation.local_epochs)),
        ("Partition", f"{s.partition}{_amount(federation)}"),
        ("Strategy", ", ".join([str(s.strategy), *_options(run)])),
        ("Simulated on", f"{s.nodes} {'node' if s.nodes == 1 else 'nodes'}"),
    ]
    if shards:
        sizes = shards.sizes
        views = f"{sizes.min:,} to {sizes.max:,}, median {sizes.median:,g}"
        pairs.insert(3, ("Views per phone", views))
    return pairs


def _update(run: Run) -> str:
    if not MODELS[run.summary.model].epochs:
        return ""
    train = run.config.train if run.federated else run.config.central_training
    rate, optimizer = train.lr, str(train.optimizer)
    if run.federated:
        algorithm = make(run.config.strategy)
        if algorithm.closed_form:
            return "sums over the views, sent once"
        if (own := algorithm.sgd_rate) is not None:
            rate, optimizer = own, "sgd"
    decay = f" times {train.decay:g} after each {run.step}" if train.decay < 1 else ""
    return f"{optimizer}, learning rate {rate:g}{decay}, batch {train.batch}, dropout {train.dropout:g}"


def _transforms(run: Run) -> str:
    """How updates were transformed before aggregation, and how many were clipped; "" if they were not."""
    words = [step.words for step in chosen(run.config.update, run.config.attack)]
    clipped = [
        (line.phones or 0, line.metrics["clipped"]) for line in run.rounds if "clipped" in line.metrics
    ]
    if clipped:
        share = sum(phones * part for phones, part in clipped) / (sum(phones for phones, _ in clipped) or 1)
        words.append(f"{percent(share)} of all updates were clipped")
    return "; ".join(words)


def _options(run: Run) -> list[str]:
    """The strategy's options as text, except the phones' learning rate, shown with the local update."""
    said = run.config.strategy
    shown: dict[str, object] = {}
    if said.start != "random":
        shown["start"] = said.start
    if said.projection:
        shown["projection"] = said.projection
    shown |= {
        name: value for name, value in said.options().items() if name != "local_lr" and value is not None
    }
    return [
        f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in shown.items()
    ]


def _amount(federation: FederationConfig) -> str:
    """The options of the partition, as text."""
    return federation.make().words


def _selected(run: Run) -> str:
    if not MODELS[run.summary.model].epochs:
        chosen = (f"{name} {value:g}" for name, value in (run.summary.chosen or {}).items()
                  if isinstance(value, float))  # fmt: skip
        return f"the fitted one; chosen on validation: {', '.join(chosen) or 'nothing'}"
    best = run.config.evaluation.select == "best"
    return f"the best {run.step} by validation" if best else f"the last {run.step}"


def machine(env: Environment) -> str:
    """Where it ran."""
    return ", ".join(part for part in (env.machine, f"{env.cpus} CPU cores", env.platform) if part)


def date(env: Environment) -> str:
    """When it started."""
    return env.date.replace("T", " ").replace("+00:00", " UTC")


def versions(env: Environment) -> str:
    """Versions of Python and of the libraries."""
    others = {name: version for name, version in env.versions.items() if name != "python"}
    return ", ".join(f"{name} {version}" for name, version in {"Python": env.python, **others}.items())


def cost(run: Run, baselines: list[Run]) -> str:
    """Seconds by stage, phones per second, traffic."""
    s = run.summary
    stages = [("Features (0 s when cached)", float(s.seconds_features), "--muted")]
    for each in (run, *baselines):
        name = f"Training, {each.name[0].lower()}{each.name[1:]}"
        stages.append((name, float(each.summary.seconds_training), f"--s{each.series}"))
    named = sum(seconds for _, seconds, _ in stages)
    total = max(float(s.seconds), named)
    stages.append(("Everything else: start-up, evaluation, files", total - named, "--before"))
    strip = "".join(f'<i style="--c:var({c});flex:{t:.3f}"></i>' for _, t, c in stages if t > 0)
    rows = [
        [
            f'<span class="run"><i class="dot" style="--c:var({c})"></i><span>{name}</span></span>',
            duration(t),
            percent(t / (total or 1)),
        ]
        for name, t, c in stages
    ]
    rows.append(["<strong>The whole command</strong>", f"<strong>{duration(total)}</strong>", ""])
    numbers = table("Time by stage", ["Stage", "Time", "Share"], rows)
    time = f'<div class="strip" aria-hidden="true">{strip}</div>{numbers}'
    if not run.federated:
        return section("Time", f"<div>{time}</div>")
    updates = f"{s.updates:,} phone updates{' expected' if s.privacy else ''}"
    speed = f"{updates}, {s.phones_per_second:,.0f} phones per second of training."
    if dropped := s.phones_dropped:
        speed += f" {dropped:,} updates were unusable and were dropped; rounds.jsonl lists them."
    return section(
        "Time and traffic",
        paragraph(speed),
        f'<div class="grid pair"><div><h3>Where the time went</h3>{time}</div>'
        f"<div><h3>What the phones would send and receive</h3>{_traffic(s)}</div></div>",
    )


def _traffic(s: Summary) -> str:
    updates, phones = s.updates or 1, s.phones or 1
    rows = [
        [name, size(total / updates), size(total / phones), size(total)]
        for name, total in (
            ("Down: the head", s.bytes_down),
            ("Up: the update", s.bytes_up),
        )
    ]
    wire = ""
    if s.wire_bytes is not None:
        wire = f" The simulation itself moved {size(s.wire_bytes)} between its nodes."
    head = ["Direction", "A phone, one round", "A phone, whole run", "All phones"]
    return table("Traffic", head, rows) + paragraph(
        f"Payload of heads and updates; the middle column is the mean over all phones.{wire}", "small"
    )


def again(run: Run) -> str:
    """How to repeat the run, and where its files are."""
    files = {
        "config.toml": "every setting", "environment.json": "command, machine, versions",
        "data.json": "facts about the photos", "rounds.jsonl": f"one line per {run.step}",
        "summary.json": "every result", "predictions.csv": "the head's prediction for each test photo",
        "head.safetensors": "the trained head", "unreadable.csv": "skipped photos",
        "centralized-matched": "baseline with as many views", "centralized": "baseline",
    }  # fmt: skip
    items = "".join(
        f'<li><a href="{name}{"/" if (run.folder / name).is_dir() else ""}">{name}</a>: {esc(what)}</li>'
        for name, what in files.items()
        if (run.folder / name).exists()
    )
    alone = " --no-baseline" if run.federated and not run.environment.baseline else ""
    return section(
        "Run it again",
        paragraph("The command of this run:"),
        f"<pre>{esc(run.environment.command)}</pre>",
        paragraph("The same from the settings stored here, run in this folder:"),
        f"<pre>fedfer {'run' if run.federated else 'baseline'} config.toml{alone}</pre>",
        f'<h3>Files beside this page</h3><ul class="files">{items}</ul>',
        f"<details><summary>Every setting</summary><pre>{esc(run.settings)}</pre></details>",
    )


def _views(run: Run) -> str:
    """The views processed, or expected to be."""
    if run.summary.photos is None:
        return f"{run.views_seen[-1]:,.0f} views expected to be processed"
    return f"{run.summary.photos:,} views processed"
