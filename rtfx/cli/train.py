"""``rtfx train``: makes a model of a pedal or an amp from a recording of its input and one of its output."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import UsageError
from .options import Number, debug_option
from .output import json_line, printer, say, status

if TYPE_CHECKING:
    from ..model.spec import ModelSpec
    from ..train.fit import Report
    from ..train.run import Material, Recording

SPECTRA = 0.05  # weight of the spectral distance: it is about 0.2 when the error-to-signal ratio is 0.01
ENDED = {
    "finished": "done",
    "good enough": "good enough, stopped",
    "no better": "no better for a long time, stopped",
    "interrupted": "interrupted; the best is kept, and --resume continues",
}


@click.command("train")
@click.option("--input", "dry", metavar="WAV", multiple=True, help="The recording that was played into the device.")
@click.option("--target", "wet", metavar="WAV", multiple=True, help="The recording of its output.")
@click.option("--distil", metavar="MODEL", help="Learn from a model in place of recordings: make a cheaper twin.")
@click.option("--from", "known", metavar="MODEL", help="Start from the weights of any model in place of --arch.")
@click.option("--knob", "knobs", metavar="NAME=VALUE", multiple=True, help="Position of a knob, 0 to 1: one per pair.")
@click.option(
    "--arch",
    default="lstm16",
    show_default=True,
    metavar="NAME",
    help="lstm<N>, gru<N>, wavenet[:channels=8&layers=18], nam-...",
)
@click.option("--out", type=click.Path(path_type=Path), required=True, metavar="FILE.json", help="The model.")
@click.option("--minutes", type=Number(0.01), default=5.0, show_default=True, help="Length of the training.")
@click.option("--rounds", type=click.IntRange(1), help="Rounds in place of minutes: every run gives the same result.")
@click.option("--until", type=Number(0.0), default=0.0, metavar="ESR", help="Stop at this error, 0.01 is 1 %.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed of weights and order.")
@click.option("--rate", type=Number(0.0, min_open=True), help="Learning rate (default: the architecture's).")
@click.option("--skip/--no-skip", default=None, help="Add the input to the net's output (default: the architecture's).")
@click.option("--loss-spectra", is_flag=True, help="Count the distance of spectra too: slower, for bright sounds.")
@click.option("--to", metavar="FORMAT", multiple=True, help="Also write nam, aidax, proteus or rtneural beside it.")
@click.option(
    "--plots", type=click.Path(path_type=Path), metavar="PNG", help="Picture of the result (default: beside the model)."
)
@click.option("--resume", is_flag=True, help="Continue an interrupted training.")
@click.option("--check", is_flag=True, help="Only check the recordings.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object for each round, and one at the end.")
@click.option("-y", "overwrite", is_flag=True, help="Overwrite a model that exists.")
@debug_option
def command(dry: Sequence[str], wet: Sequence[str], knobs: Sequence[str], out: Path, **flags: Any) -> int:
    """Learn a device from a recording of its input and one of its output, two to three minutes of each.

    Every better net is written at once, so you can listen to the progress with "rtfx play --watch FILE.json". Several
    pairs of recordings with --knob make one model with that knob. After an interrupt, the best net so far is kept.
    """
    from ..train.run import POOR, Goal, check_goal, poor, read_material, train

    recordings = [] if flags["distil"] else pairs(dry, wet, knobs)
    if flags["distil"] and (wet or knobs):
        raise UsageError("--distil learns from the model: leave out --target and --knob")
    skip = flags["skip"]
    if skip is None and "proteus" in flags["to"]:
        skip = True  # the plugin for this format always adds the input
    from ..train.fit import Plan
    from ..train.learner import Options, again, architecture

    architecture(flags["arch"])
    known, teacher = (_model(flags[flag]) for flag in ("known", "distil"))
    goal = Goal(
        out,
        known.name if known else flags["arch"],
        flags["seed"],
        Options(skip=skip, spectra=SPECTRA if flags["loss_spectra"] else 0.0),
        tuple(dict.fromkeys(flags["to"])),
        flags["plots"] or out.with_suffix(".png"),
        {"trained_on": [Path(name).name for name in wet]} if wet else {},
        teacher,
    )
    learner = again(known, goal.options) if known else None
    check_goal(goal)
    if out.exists() and not (flags["overwrite"] or flags["resume"] or flags["check"]):
        raise UsageError(f"{out} exists: overwrite it with -y, go on with --resume, or name another file")
    material = _taught(teacher, dry, goal.seed) if teacher else read_material(recordings, status)
    if flags["check"]:
        status("these recordings can be used for training")
        return 0
    plan = Plan(flags["minutes"], flags["rounds"], until=flags["until"], seed=flags["seed"], rate=flags["rate"])
    with shown(goal.arch, flags["as_json"]) as (after, tick):
        done = train(material, goal, plan, flags["resume"], after, tick, learner)
    for line in done.warnings:
        status(line)
    last = done.reports[-1]
    status(f"{ENDED[done.stopped]} after {last.round} rounds, {last.seconds / 60.0:.1f} minutes")
    files = [str(path) for path in done.files]
    judged = None
    if teacher:
        from ..train.distil import judge

        judged = judge(teacher, done.spec)
        if judged.esr >= POOR > done.esr:
            status(f"{out} {poor(judged.esr)} on the riff, which is new to it: name other audio with --input")
    if flags["as_json"]:
        facts = {
            "files": files,
            "esr": done.esr,
            "rounds": last.round,
            "seconds": last.seconds,
            "stopped": done.stopped,
        }
        if judged:
            facts |= {"teacher": flags["distil"], "held_out": {**dataclasses.asdict(judged), "cheaper": judged.cheaper}}
        json_line({"file": str(out), "arch": goal.arch, "seed": goal.seed, **facts})
    else:
        say(f"{out}: {goal.arch}, ESR {100.0 * done.esr:.3f} % on the part held back; {', '.join(files)} written")
        if judged:
            say(
                f"beside {flags['distil']}: ESR {100.0 * judged.esr:.3f} % on the riff, which is new to it; "
                f"{judged.twin_ns:.1f} ns a sample, {judged.cheaper:.1f} times cheaper than {judged.teacher_ns:.1f} ns"
            )
    return 0


def _model(name: str | None) -> ModelSpec | None:
    """Return the model that a flag names."""
    if name is None:
        return None
    from ..api import load

    return load(name).spec


def _taught(teacher: ModelSpec, dry: Sequence[str], seed: int) -> Material:
    """Return a model's output for audio files, or for generated exercises if there are none."""
    from ..plan.resolve import DEFAULT_RATE
    from ..train.distil import first_channel, knobs_of, lateness, lessons
    from ..train.run import Material

    rate = teacher.sample_rate or DEFAULT_RATE
    status(f"{teacher.name} renders {'the recordings' if dry else 'exercises'} for its twin")
    if late := lateness(teacher):
        status(f"{teacher.name} is {late} frames late ({1000.0 * late / rate:.2f} ms): its twin is not late")
    takes = lessons(teacher, [first_channel(path, rate) for path in dry], seed=seed)
    return Material(tuple(takes), int(rate), tuple(knob.name for knob in knobs_of(teacher)))


def pairs(dry: Sequence[str], wet: Sequence[str], knobs: Sequence[str]) -> list[Recording]:
    """Return the recordings that the flags name: the n-th --input, --target and --knob of each name belong together."""
    from ..train.run import Recording

    if not (dry and wet):
        raise UsageError("expected recordings, --input and --target, or a model to learn from, --distil")
    if len(dry) == 1:
        dry = list(dry) * len(wet)
    if len(dry) != len(wet):
        raise UsageError(f"{len(dry)} --input and {len(wet)} --target, expected pairs, or one --input for all")
    values: dict[str, list[float]] = {}
    for said in knobs:
        name, equals, text = said.partition("=")
        try:
            value = float(text)
        except ValueError:
            equals = ""
            value = 0.0
        if not (name and equals):
            raise UsageError(f"--knob {said}: expected NAME=VALUE, such as gain=0.5")
        values.setdefault(name, []).append(value)
    for name, found in values.items():
        if len(found) != len(wet):
            raise UsageError(f"--knob {name} is given {len(found)} times for {len(wet)} --target: once for each")
    return [
        Recording(source, target, {name: found[i] for name, found in values.items()})
        for i, (source, target) in enumerate(zip(dry, wet, strict=True))
    ]


@contextmanager
def shown(arch: str, as_json: bool):
    """Yield the functions to call after a round and after a batch: a bar in a terminal, else lines, or JSON."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    console = printer(stderr=True)
    if as_json:
        yield (lambda report: json_line({"round": report.round, **dataclasses.asdict(report)})), None
    elif not console.is_terminal:
        yield _lines(), None
    else:
        columns = "[progress.description]{task.description}", BarColumn(), TextColumn("{task.fields[esr]}")
        with Progress(*columns, TimeRemainingColumn(), console=console) as bar:
            task = bar.add_task(arch, total=1.0, esr="compiling")

            def after(report: Report) -> None:
                now = f"ESR {100.0 * report.esr:.3f} %, best {100.0 * report.best:.3f} %, round {report.round}"
                bar.update(task, esr=now)

            yield after, lambda progress, loss: bar.update(task, completed=progress)


def _lines() -> Callable[[Report], None]:
    """Return a function that prints a round at every tenth of the plan."""
    told = -1

    def after(report: Report) -> None:
        nonlocal told
        if int(10.0 * report.progress) > told:
            told = int(10.0 * report.progress)
            status(
                f"{report.seconds:.0f} s, round {report.round}: ESR {100.0 * report.esr:.3f} %, "
                f"best {100.0 * report.best:.3f} %"
            )

    return after
