"""The section of study.html about how the study was made: command, split, selection, leakage, machine."""

from html import escape as esc

from simulations.report import page
from simulations.report.page import paragraph, section
from simulations.report.setup import date, machine, versions
from simulations.study import words as words
from simulations.study.leakage_check import LeakageCheck
from simulations.study.results import Study


def made(study: Study) -> str:
    """What a reader needs to trust the numbers, or to reproduce them."""
    run = study.any_run
    env, config, people = run.environment, run.config, run.data.subjects
    source = "drawn faces (embedded set, sketch)" if run.data.source == "sketch" else run.data.source
    counts = run.data.photos.totals
    train, views = config.central_training, [words.views(balance) for balance in study.balances]
    who = f" of {people.total:,} people" if people else ""
    pairs = [
        ("Photos", str(source)),
        ("In use", f"{sum(counts.values()):,} photos{who}"),
        ("Split, first seed", ", ".join(f"{n:,} {part}" for part, n in counts.items()) + _unit(study)),
        ("Classes", ", ".join(study.classes)),
        ("Balance", f"{words.listed(views)}: training views of each class"),
        ("Seeds", f"{', '.join(map(str, study.seeds))}: of the split, the views and the training"),
        ("Training", f"{config.baseline.epochs} epochs, {train.optimizer}, learning rate "
                     f"{train.lr:g}, batch {train.batch}"),
        ("Selected epoch", _selected(study)),
        ("Test photos", "used once in each run, after the epoch was selected"),
        ("Machine", machine(env)),
        ("Date of the first run", date(env)),
        ("Versions", versions(env)),
    ]  # fmt: skip
    return section(
        "How it was made",
        paragraph("The command:"),
        f"<pre>{esc(env.command)}</pre>",
        page.facts(pairs),
        _leakage(study),
    )


def _unit(study: Study) -> str:
    run = study.any_run
    if run.config.data.split == "given":
        return "; as given with the photos"
    by_person = run.data.subjects and run.config.data.split_by != "photo"
    return "; by person, nobody is in two parts" if by_person else "; by photo"


def _selected(study: Study) -> str:
    best = study.any_run.config.evaluation.select == "best"
    return "best macro-F1 on the validation photos" if best else "the last"


def _leakage(study: Study) -> str:
    """What the leakage check found; "" if there was none."""
    if not (study.folder / LeakageCheck.FILE).is_file():
        return ""
    found = LeakageCheck.read(study.folder)
    copies, near, pairs = found.copies_across_parts, found.near_across_parts, found.near_pairs
    shared, people = found.subjects_in_two_parts, found.subjects or 0
    least = "at least " if found.more else ""
    text = f"Copies of a photo in two parts: {copies:,}. Near-duplicate photos: {least}{pairs:,} pairs, "
    text += f"{least}{near:,} of them across parts. "
    text += f"People in two parts: {shared:,} of {people:,}." if people else "People on them: not known."
    title = "<h3>Leakage check, split of the first seed</h3>"
    if not (copies or near or shared):
        return title + paragraph(text) + paragraph("No leak between the parts was found.")
    verdict = "What is in two parts lets a model see test photos in training: scores may be too high."
    items = "".join(f"<li>{esc(' and '.join(pair))}</li>" for pair in found.examples)
    listed = f'<ul class="files">{items}</ul>' if items else ""
    return f'{title}<div class="note">{paragraph(text)}{paragraph(verdict)}{listed}</div>'
