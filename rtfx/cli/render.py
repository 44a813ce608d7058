"""``rtfx render``: audio files through a model or a set list, over all cores."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from ..batch.job import Job, Ledger, Outcome, Rigs, Settings
from ..errors import AudioFileError, UsageError, quoted
from ..files import STANDARD
from ..find import files_in
from ..rig_arguments import SET_LIST, RigFlags, build, numbered
from .options import FLAGS, Number, debug_option, rig_options
from .output import Once, printer, progress, status

if TYPE_CHECKING:
    from ..api import Rig

READABLE = (".wav", ".flac", ".aif", ".aiff", ".w64", ".rf64", ".caf", ".au", ".ogg", ".opus", ".mp3")


@click.command("render")
@click.argument("paths", metavar="IN... OUT [RIG.yaml[:preset]]", nargs=-1, required=True)
@click.option("--rig", "whats", multiple=True, metavar="RIG.yaml[:preset]", help="A set list; also several.")
@rig_options
@click.option("-r", "--rate", type=Number(1000, 768000), metavar="HZ", help="Run the rig at this rate, as live.")
@click.option("-b", "--block", type=click.IntRange(1, 8192), metavar="FRAMES", help="Block size, as live.")
@click.option("--float", "as_float", is_flag=True, help="Write 32-bit floats.")
@click.option("--bits", type=click.Choice(["16", "24"]), help="Write integers (default 24).")
@click.option("--mono", is_flag=True, help="Average the channels first.")
@click.option("--lufs", type=Number(-60, 0), metavar="L", help="Level each file by one gain, to -1 dBTP at most.")
@click.option("--no-align", is_flag=True, help="Keep the rig's latency and cut its tail: the stream as live.")
@click.option("--jobs", type=click.IntRange(1), metavar="N", help="Files at a time (default: all cores).")
@click.option("-y", "overwrite", is_flag=True, help="Overwrite files that exist.")
@debug_option
def command(paths: tuple[str, ...], whats: tuple[str, ...], flags: RigFlags, jobs: int | None, **more: Any) -> int:
    """Render audio files through models or set lists.

    Several files, or a folder with its subfolders, are rendered into the folder OUT. With several models, set lists or
    presets, each file is rendered through each of them, as NAME_PRESET.wav. A - is WAV on standard input or output.
    """
    paths, whats = _split_rigs(paths, whats)
    if more["as_float"] and more["bits"]:
        raise UsageError("--float and --bits were given, expected one of them")
    takes = [what for what in whats if _is_take(what)]
    if takes:
        if len(whats) > 1:
            raise UsageError(f"{takes[0]} is a take, expected no other set list beside it")
        return _render_take(paths, takes[0], more)
    encoding = "FLOAT" if more["as_float"] else f"PCM_{more['bits'] or 24}"
    common = Job(
        what=None,
        flags=flags,
        source="",
        target="",
        encoding=encoding,
        mono=more["mono"],
        align=not more["no_align"],
        overwrite=more["overwrite"],
        block=more["block"] or 0,
        rate=more["rate"],
        lufs=more["lufs"],
    )
    from ..batch.run import render_all

    built = _build(whats, flags)
    rigs = Rigs(built)
    ways = _ways(common, built, paths)
    labels = [way.label for way in ways]
    work = [
        replace(ways[place], source=source, target=target) for source, target, place in pairs(paths, encoding, labels)
    ]
    if len(work) > 1:
        work = [replace(job, measure=True) for job in work]
    workers = jobs or os.cpu_count() or 1
    if not os.path.isdir(paths[-1]):
        outcomes = render_all(rigs, work, workers, progress, Once())
    else:
        ledger = Ledger(Path(paths[-1]), Settings(rigs))
        to_do, finished = ledger.open(work)
        outcomes = [Outcome(job) for job in finished] + render_all(rigs, to_do, workers, progress, Once(), ledger.done)
    failures = [(outcome.job, outcome.error) for outcome in outcomes if outcome.error]
    if len(work) == 1 and failures:
        raise failures[0][1]
    if len(work) > 1:
        _show_table(outcomes, paths[-1])
    tell = Once()  # prints a preset's error once, not for every file
    for job, error in failures:
        blamed = job.label or job.source
        tell(f"{error}" if job.source in str(error) else f"{blamed}: {error}")
    if failures:
        status(f"{len(failures)} of {len(work)} files failed")
    return 1 if failures else 0


def _is_take(what: str) -> bool:
    """Return whether a set list is a recorded take and no flag changes its rig, so that it is rendered as played."""
    source = click.get_current_context().get_parameter_source
    if any(source(name) not in (None, ParameterSource.DEFAULT) for name in FLAGS):
        return False
    from ..live.takes import is_take

    return is_take(what)


def _render_take(paths: tuple[str, ...], what: str, more: dict[str, Any]) -> int:
    """Render one recording through a take and return the exit code."""
    wrong = [f"--{name}" for name in ("mono", "block", "rate", "lufs") if more[name] not in (None, False)]
    if len(paths) != 2 or wrong:
        found = ", ".join(wrong) or f"{len(paths)} paths"
        raise UsageError(f"found {found}, expected IN OUT {what}: a take is rendered as it was played")
    from ..host.render import render_file
    from ..live.takes import Replay

    replay = Replay(what)
    encoding = f"PCM_{more['bits']}" if more["bits"] else "FLOAT"
    done = render_file(replay.process, paths[0], paths[1], encoding, overwrite=more["overwrite"])
    for line in (f"rendered {done.frames_out / done.sample_rate:.1f} s of {what}: {replay.verdict}", *done.warnings):
        status(line)
    return 0


def _split_rigs(paths: tuple[str, ...], whats: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the audio paths and the set lists; a set list may be at any place among the paths."""
    rigs = tuple(path for path in paths if SET_LIST.match(path) and Path(path).suffix.lower() not in READABLE)
    return tuple(path for path in paths if path not in rigs), (*whats, *rigs)


def _build(whats: tuple[str, ...], flags: RigFlags) -> list[tuple[tuple[str | None, RigFlags], Rig]]:
    """Return ((set list, flags), rig) for each set list and for each model."""
    named: list[tuple[str | None, RigFlags]] = [(what, replace(flags, model=())) for what in dict.fromkeys(whats)]
    named += [(None, replace(flags, model=(model,))) for model in dict.fromkeys(flags.model)]
    return [(words, build(*words)) for words in named or [(None, flags)]]


def _ways(common: Job, built: list[tuple[tuple[str | None, RigFlags], Rig]], paths: tuple[str, ...]) -> list[Job]:
    """Return a job without files for each preset that every source is rendered through.

    A set list gives a job for each preset, unless one preset is named or OUT is one file.

    Raises
    ------
    UsageError
        Several rigs, and OUT is one file.
    """
    ways = []
    for (what, flags), rig in built:
        places = [rig.index] if rig.asked else range(len(rig.presets))
        ways += [replace(common, what=what, flags=flags, preset=n, label=rig.presets[n].name) for n in places]
    if len(ways) == 1:
        return [replace(ways[0], label="")]
    target = paths[-1]
    is_file = target == STANDARD or os.path.isfile(target) or Path(target).suffix.lower() in READABLE
    if not is_file or os.path.isdir(target):
        names = numbered([_file_name(way.label) for way in ways])
        return [replace(way, label=name) for way, name in zip(ways, names, strict=True)]
    if len(built) > 1:
        raise UsageError(f"{quoted(target)} is one file, expected a folder as OUT for {len(built)} rigs")
    first, count = ways[0], len(ways)
    status(
        f"{first.what or first.flags.model[0]} has {count} presets and {target} is one file: rendering the first, "
        f"{first.label} (a folder as OUT gets all, RIG.yaml:NAME names one)"
    )
    return [replace(first, label="")]


def _file_name(label: str) -> str:
    """Return a preset's name without the characters that a file name cannot have on some system."""
    return re.sub(r'[\\/:*?"<>|]', "_", label).strip(" .") or "_"


def pairs(paths: tuple[str, ...], encoding: str, labels: Sequence[str] = ("",)) -> list[tuple[str, str, int]]:
    """Return (source, target, index of its label) for every file, and make the output folder.

    All targets must differ. If there are several labels, each target's name ends with one.

    Raises
    ------
    UsageError
        Too few paths, pipes among several files, or two sources with one target.
    AudioFileError
        A folder without audio.
    """
    if len(paths) < 2:
        raise UsageError(f"found one path, {quoted(paths[0])}, expected IN... OUT: see rtfx render --help")
    *sources, target = paths
    found = {path: place for source in sources for path, place in _expand(source, target)}
    many = len(found) > 1 or any(os.path.isdir(source) for source in sources) or len(labels) > 1
    into_folder = target != STANDARD and (many or os.path.isdir(target) or target.endswith(("/", os.sep)))
    if not into_folder:
        if many:
            raise UsageError("several files cannot go to standard output, expected a folder as OUT")
        return [(next(iter(found)), target, 0)]
    if STANDARD in found:
        raise UsageError("standard input cannot be rendered into a folder, expected a file or - as OUT")
    folder = Path(target)
    if not folder.is_dir() and (folder.exists() or folder.suffix.lower() in READABLE):
        found_there = "a file" if folder.exists() else "named like a file"
        raise UsageError(f"{target} is {found_there}, expected a folder for {len(found)} files")
    result: dict[str, tuple[str, int]] = {}
    for number, label in enumerate(labels):
        for source, inside in found.items():
            name = Path(_named(Path(source), encoding))
            place = str(folder / inside / (f"{name.stem}_{label}{name.suffix}" if len(labels) > 1 else name))
            if place in result:
                other = result[place][0]
                raise UsageError(f"{other} and {source} would both become {place}: render them one by one")
            result[place] = source, number
    try:
        for inside in {Path(), *found.values()}:
            (folder / inside).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise AudioFileError(f"{target}: cannot make this folder ({error.strerror})") from error
    return [(source, place, number) for place, (source, number) in result.items()]


def _expand(source: str, target: str) -> list[tuple[str, Path]]:
    """Return the audio files that one argument names, and for each the folder inside OUT to write it to.

    An argument is a file, a folder (searched with its subfolders, without `target`) or a pattern such as ``*.wav``.
    """
    if os.path.isdir(source):
        files = [path for path in files_in(source) if path.suffix.lower() in READABLE and path.is_file()]
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
    """Return the target's name: the source's, with .wav if its format cannot be written or holds no floats."""
    from ..host.growing import CONTAINERS

    container = CONTAINERS.get(source.suffix.lower())
    return source.stem + ".wav" if container is None or container + encoding == "FLACFLOAT" else source.name


def _show_table(outcomes: Sequence[Outcome], folder: str) -> None:
    """Print a line for each file in a folder, on standard error."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for name in ("file", "result"):
        table.add_column(name, overflow="fold")
    for name in ("length", "Hz", "channels", "LUFS", "dBTP", "x real time"):
        table.add_column(name, justify="right")
    for outcome in outcomes:
        rendered = outcome.rendered
        numbers: tuple[str, ...] = ("",) * 6
        result = Text("failed", "red") if outcome.error else Text("finished before", "dim")
        if rendered is not None:
            length = rendered.frames_out / rendered.sample_rate
            speed = length / max(outcome.seconds, 1e-6)
            levels = (f"{level:.1f}" for level in (rendered.lufs, rendered.true_peak_dbtp))
            numbers = (
                f"{length:.1f} s", f"{rendered.sample_rate}", f"{rendered.channels}", *levels, f"{speed:.0f}",
            )  # fmt: skip
            result = Text("rendered", "green")
        table.add_row(Text(os.path.relpath(outcome.job.target, folder)), result, *numbers)
    console = printer(stderr=True)
    console.print(table)
