"""``rtfx render``: audio files through a model or a set list, over all cores."""

from __future__ import annotations

import glob
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from ..batch.job import STANDARD, Job, Outcome
from ..errors import AudioFileError, UsageError
from ..named import SET_LIST, RigFlags, build
from .output import status
from .rig import Number, debug_option, parameter_values, rig_options
from .take import is_take, render_take

READABLE = (".wav", ".flac", ".aif", ".aiff", ".w64", ".rf64", ".caf", ".au", ".ogg", ".opus", ".mp3")


@click.command("render")
@click.argument("paths", metavar="IN... OUT [RIG.yaml[:preset]]", nargs=-1, required=True)
@click.option("--rig", "what", metavar="RIG.yaml[:preset]", help="A set list, in place of --model.")
@rig_options
@click.option("-r", "--rate", type=Number(1000, 768000), metavar="HZ", help="Run the rig at this rate, as live.")
@click.option("-b", "--block", type=click.IntRange(1, 8192), metavar="FRAMES", help="Block size, as live.")
@click.option("--float", "as_float", is_flag=True, help="Write 32-bit floats.")
@click.option("--bits", type=click.Choice(["16", "24"]), help="Write integers (default 24).")
@click.option("--mono", is_flag=True, help="Average the channels first.")
@click.option("--no-align", is_flag=True, help="Keep the rig's latency and cut its tail: the stream as live.")
@click.option("--jobs", type=click.IntRange(1), metavar="N", help="Files at a time (default: all cores).")
@click.option("-y", "overwrite", is_flag=True, help="Overwrite files that exist.")
@debug_option
def command(paths: tuple[str, ...], what: str | None, flags: RigFlags, jobs: int | None, **more: Any) -> int:
    """Render audio files through a model or a set list.

    Several files, or a folder with all folders in it, are rendered into the folder OUT. A - is WAV on standard input or
    output.
    """
    paths, what = _split_rig(paths, what)
    if more["as_float"] and more["bits"]:
        raise UsageError("--float and --bits were given, expected one of them")
    if what is not None and is_take(what):
        return render_take(paths, what, more)
    encoding = "FLOAT" if more["as_float"] else f"PCM_{more['bits'] or 24}"
    values = parameter_values(flags)
    rig = build(what, flags)
    common = Job(
        what=what,
        flags=flags,
        values=values,
        source="",
        target="",
        encoding=encoding,
        mono=more["mono"],
        align=not more["no_align"],
        overwrite=more["overwrite"],
        block=more["block"] or 0,
        rate=more["rate"],
    )
    work = [replace(common, source=source, target=target) for source, target in pairs(paths, encoding)]
    from ..batch.ledger import Ledger, settings_of
    from ..batch.run import render_all
    from .progress import Once, progress
    from .table import show_table

    workers = jobs or os.cpu_count() or 1
    if not os.path.isdir(paths[-1]):
        outcomes = render_all(rig, work, workers, progress, Once())
    else:
        ledger = Ledger(Path(paths[-1]), settings_of(rig, common, what))
        to_do, finished = ledger.open(work)
        outcomes = [Outcome(job) for job in finished] + render_all(rig, to_do, workers, progress, Once(), ledger.done)
    failures = [(outcome.job, outcome.error) for outcome in outcomes if outcome.error]
    if len(work) == 1 and failures:
        raise failures[0][1]
    if len(work) > 1:
        show_table(outcomes, paths[-1])
    for job, error in failures:
        status(f"{error}" if job.source in str(error) else f"{job.source}: {error}")
    if failures:
        status(f"{len(failures)} of {len(work)} files failed")
    return 1 if failures else 0


def _split_rig(paths: tuple[str, ...], what: str | None) -> tuple[tuple[str, ...], str | None]:
    """Return the audio paths and the set list, which may stand anywhere among them."""
    rigs = [path for path in paths if SET_LIST.match(path)]
    if rigs and (what is not None or len(rigs) > 1):
        raise UsageError(f"{len(rigs) + (what is not None)} set lists were given, expected one: {', '.join(rigs)}")
    return tuple(path for path in paths if path not in rigs), rigs[0] if rigs else what


def pairs(paths: tuple[str, ...], encoding: str) -> list[tuple[str, str]]:
    """Return (source, target) of every file, targets checked to be different; makes the output folder.

    Raises
    ------
    UsageError
        Too few paths, pipes among several files, or two sources with one target.
    AudioFileError
        A folder without audio.
    """
    if len(paths) < 2:
        raise UsageError(f"found one path, {paths[0]!r}, expected IN... OUT: see rtfx render --help")
    *sources, target = paths
    found = {path: place for source in sources for path, place in _expand(source, target)}
    many = len(found) > 1 or any(os.path.isdir(source) for source in sources)
    into_folder = target != STANDARD and (many or os.path.isdir(target) or target.endswith(("/", os.sep)))
    if not into_folder:
        if many:
            raise UsageError("several files cannot go to standard output, expected a folder as OUT")
        return [(next(iter(found)), target)]
    if STANDARD in found:
        raise UsageError("standard input cannot be rendered into a folder, expected a file or - as OUT")
    folder = Path(target)
    if not folder.is_dir() and (folder.exists() or folder.suffix.lower() in READABLE):
        found_there = "a file" if folder.exists() else "named like a file"
        raise UsageError(f"{target} is {found_there}, expected a folder for {len(found)} files")
    result: dict[str, str] = {}
    for source, inside in found.items():
        place = str(folder / inside / _named(Path(source), encoding))
        if place in result:
            raise UsageError(f"{result[place]} and {source} would both become {place}: render them one by one")
        result[place] = source
    try:
        for inside in {Path(), *found.values()}:
            (folder / inside).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise AudioFileError(f"{target}: cannot make this folder ({error.strerror})") from error
    return [(source, place) for place, source in result.items()]


def _expand(source: str, target: str) -> list[tuple[str, Path]]:
    """Return the audio files that one argument stands for, and the folder inside OUT that each belongs into.

    An argument is a file, a folder with all in it but `target`, or a pattern that no shell expanded.
    """
    if os.path.isdir(source):
        files = sorted(path for path in Path(source).rglob("*") if path.suffix.lower() in READABLE and path.is_file())
        made = Path(target).resolve()
        if made != Path(source).resolve():
            files = [path for path in files if not path.resolve().is_relative_to(made)]
        if not files:
            raise AudioFileError(f"{source}: no audio in this folder, expected {', '.join(READABLE[:4])}, ...")
        return [(str(path), path.parent.relative_to(source)) for path in files]
    if not os.path.exists(source) and glob.has_magic(source):
        return [(path, Path()) for path in sorted(glob.glob(source)) or [source]]
    return [(source, Path())]


def _named(source: Path, encoding: str) -> str:
    """Return the target's name: the source's, as WAV where its format is not written or holds no floats."""
    from ..host.wave import CONTAINERS

    container = CONTAINERS.get(source.suffix.lower())
    return source.stem + ".wav" if container is None or container + encoding == "FLACFLOAT" else source.name
