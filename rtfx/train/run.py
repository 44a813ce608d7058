"""Runs a whole training: checks captures, trains a net, writes each better model to a file and draws plots.

The state of the training is saved in one file beside the model, from which an interrupted run resumes.
"""

from __future__ import annotations

import dataclasses
import json
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import AudioFileError, ModelError, UsageError, reason_of
from ..files import DAMAGED_ZIP, read_file, replacement
from ..model import rtfx_json
from ..model.spec import Knob, ModelSpec
from ..model.write.save import FORMATS, check_folder, convert, format_of, possible
from .capture import Capture, read_capture
from .dataset import SETTLE_FRAMES, Dataset, Take, dataset
from .distil import twin
from .fit import Checkpoint, Plan, Report, Stopped, fit
from .learner import Learner, Options, make

SILENCE, POOR = 1.0, 0.5  # ESR of a silent output; ESR from which a model is hardly better
ENDINGS = {"nam": ".nam", "aidax": ".aidax", "proteus": ".proteus.json", "rtneural": ".rtneural.json"}
SUFFIX = ".rtfx-train"
SHOWN_SECONDS = 0.015
BINS = 4096


@dataclass(frozen=True)
class Recording:
    """A dry file, the wet file of the same performance, and the positions of the device's knobs, 0 to 1."""

    dry: str | Path
    wet: str | Path
    knobs: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Material:
    """The training data: takes of one sample rate, and the names of the knobs in the order of their inputs."""

    takes: tuple[Take, ...]
    sample_rate: int
    knobs: tuple[str, ...]


@dataclass(frozen=True)
class Goal:
    """The result to produce: a model of this architecture in the file `out`, and files of other formats beside it.

    If there is a `teacher`, the result is that model's twin.
    """

    out: Path
    arch: str = "lstm16"
    seed: int = 0
    options: Options = Options()
    to: tuple[str, ...] = ()
    plots: Path | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    teacher: ModelSpec | None = None


@dataclass(frozen=True)
class Trained:
    """The result of a training; `esr` is measured on the held-back frames."""

    spec: ModelSpec
    esr: float
    stopped: Stopped
    reports: list[Report]
    files: list[Path]
    warnings: list[str]


def read_material(recordings: Sequence[Recording], tell: Callable[[str], None] = lambda line: None) -> Material:
    """Read and check recordings; `tell` is called with every warning and note.

    Raises
    ------
    AudioFileError
        A capture has a fault; the message says how to remove it.
    UsageError
        The recordings have different knobs, or a knob is out of range.
    """
    names = tuple(recordings[0].knobs)
    for recording in recordings:
        if set(recording.knobs) != set(names):
            raise UsageError(
                f"{recording.wet} has the knobs {', '.join(recording.knobs) or 'none'}, {recordings[0].wet} "
                f"{', '.join(names) or 'none'}: name each knob for every recording"
            )
        for name, value in recording.knobs.items():
            if not 0.0 <= value <= 1.0:
                raise UsageError(f"knob {name} is {value:g}, expected 0 to 1: 0.5 for a knob at noon")
    captures: list[Capture] = []
    for recording in recordings:
        capture = read_capture(recording.dry, recording.wet)
        for line in (*capture.warnings, *capture.notes, *capture.errors[1:]):
            tell(line)
        if capture.errors:
            raise AudioFileError(capture.errors[0])
        captures.append(capture)
    rates = {capture.sample_rate for capture in captures}
    if len(rates) > 1:
        raise AudioFileError(f"recordings of {', '.join(f'{rate} Hz' for rate in sorted(rates))}: expected one rate")
    takes = []
    for recording, capture in zip(recordings, captures, strict=True):
        settings = [np.full_like(capture.dry, recording.knobs[name]) for name in names]
        takes.append(Take(np.stack([capture.dry, *settings]), capture.wet))
    return Material(tuple(takes), rates.pop(), names)


def train(
    material: Material,
    goal: Goal,
    plan: Plan | None = None,
    resume: bool = False,
    after: Callable[[Report], None] | None = None,
    tick: Callable[[float, float], None] | None = None,
    learner: Learner | None = None,
) -> Trained:
    """Train, and write every better net to ``goal.out`` as rtfx JSON, atomically, so that a player may reload it.

    Parameters
    ----------
    material : Material
    goal : Goal
    plan : Plan
    resume : bool
        Resume the training that is saved beside ``goal.out``.
    after : callable, optional
        Called with the report of every round, after that round's files are written.
    tick : callable, optional
        As for `fit`.
    learner : Learner, optional
        The learner to train; by default an untrained one of ``goal.arch``.

    Raises
    ------
    RtfxError
        The material cannot be used, a file cannot be written, or the training cannot be resumed.
    """
    plan = plan or Plan()
    check_goal(goal)
    data = dataset(material.takes)
    learner = learner or make(goal.arch, data.inputs, goal.options, goal.seed)
    kept, about = sidecar_of(goal.out), _about(material, goal)
    begin = restore_checkpoint(kept, about) if resume else None
    knobs = tuple(Knob(name) for name in material.knobs)
    name = goal.out.stem

    def model(esr: float) -> ModelSpec:
        facts = {"architecture": goal.arch, "check_esr": round(esr, 6), "training_seed": goal.seed}
        amount = {"training_seconds": round(data.training_frames / material.sample_rate, 1)}
        spec = learner.spec(name, float(material.sample_rate), knobs, {**facts, **amount, **goal.metadata})
        return twin(spec, goal.teacher, goal.arch) if goal.teacher else spec

    refused = [to for to in goal.to if to not in possible(model(1.0))]
    if refused:
        others = ", ".join(to for to in possible(model(1.0)) if to != "rtfx")
        raise UsageError(f"{goal.arch} cannot be written as {refused[0]}, it can be written as: {others}")

    def keep(report: Report, checkpoint: Checkpoint) -> None:
        if report.better and report.esr < SILENCE:
            rtfx_json.save(model(report.esr), goal.out)
        save_checkpoint(kept, checkpoint, about)
        if after:
            after(report)

    done, stopped = fit(learner, data, plan, begin, keep, tick)
    if not done.best:
        raise ModelError(f"{goal.arch} did not learn: every check failed; try --rate 0.001 or another --seed")
    if done.esr >= SILENCE:
        raise ModelError(
            f"{goal.arch} is no better than silence (ESR {100.0 * done.esr:.0f} %, silence has 100 %): {goal.out} is "
            "not written; go on with --resume and more --minutes, or try another --arch"
        )
    spec = model(done.esr)
    rtfx_json.save(spec, goal.out)
    files, warnings = [goal.out], []
    if done.esr >= POOR:
        warnings.append(f"{goal.out} {poor(done.esr)}: go on with --resume and more --minutes, or try another --arch")
    for to in goal.to:
        path = goal.out.with_name(goal.out.stem + ENDINGS[to])
        found = convert(spec, path, to)
        files.append(path)
        warnings += [f"{path}: {warning}" for warning in found.warnings]
    if goal.plots is not None:
        said = draw_plots(goal.plots, learner, data, done.reports, material.sample_rate)
        warnings += [said] if said else []
        files += [] if said else [goal.plots]
    return Trained(spec, done.esr, stopped, done.reports, files, warnings)


def poor(esr: float) -> str:
    """Return the warning about a model whose error is hardly smaller than that of silence."""
    return f"is not usable: its ESR is {100.0 * esr:.0f} %, and silence has 100 %"


def check_goal(goal: Goal) -> None:
    """Raise before the training if its result could not be written afterwards."""
    if format_of(goal.out) != "rtfx":
        raise UsageError(f"{goal.out}: the model is written as rtfx JSON, expected a name that ends in .json")
    check_folder(goal.out)
    for to in goal.to:
        if to not in ENDINGS:
            raise UsageError(f"--to {to}: expected one of {', '.join(FORMATS[1:])}")


def _about(material: Material, goal: Goal) -> dict[str, Any]:
    """Return the settings that must be equal when a training is resumed."""
    digest = 0
    for take in material.takes:
        digest = zlib.crc32(take.y.tobytes(), zlib.crc32(take.x.tobytes(), digest))
    return {
        "arch": goal.arch,
        "seed": goal.seed,
        "skip": goal.options.skip,
        "spectra": goal.options.spectra,
        "knobs": list(material.knobs),
        "recordings": f"{len(material.takes)} of checksum {digest:08x}",
    }


def sidecar_of(model: Path) -> Path:
    """Return the path of the file that holds the training of a model."""
    return model.with_suffix(SUFFIX)


def save_checkpoint(path: Path, checkpoint: Checkpoint, about: Mapping[str, Any]) -> None:
    """Write a checkpoint and the settings of its training atomically.

    Raises
    ------
    ModelError
        It cannot be written.
    """
    said = {"about": dict(about), "reports": [dataclasses.asdict(report) for report in checkpoint.reports]}
    tensors = {f"learner/{name}": value for name, value in checkpoint.learner.items()}
    tensors |= {f"best/{name}": value for name, value in checkpoint.best.items()}
    try:
        with replacement(path) as part, open(part, "xb") as file:
            np.savez(file, said=np.array(json.dumps(said)), **tensors)  # type: ignore[arg-type]
    except OSError as error:
        raise ModelError(f"{path}: the training cannot be saved: {reason_of(error)}") from error


def restore_checkpoint(path: Path, about: Mapping[str, Any]) -> Checkpoint:
    """Read a checkpoint of the training that `about` describes.

    Raises
    ------
    UsageError
        There is no checkpoint, it is damaged, or it belongs to another training; the message names the difference.
    """
    try:
        with np.load(BytesIO(read_file(path)), allow_pickle=False) as file:
            tensors = {name: file[name] for name in file.files}
            said = json.loads(str(tensors.pop("said")))
            reports, known = [Report(**report) for report in said["reports"]], dict(said["about"])
    except FileNotFoundError:
        raise UsageError(f"{path}: there is no training to resume: leave out --resume to begin one") from None
    except (*DAMAGED_ZIP, KeyError, TypeError, AttributeError, RecursionError, MemoryError) as error:
        raise UsageError(
            f"{path} is not a training of this version ({error}): leave out --resume to begin anew"
        ) from error
    for key, value in about.items():
        if known.get(key) != value:
            raise UsageError(
                f"{path} is a training with {key} {known.get(key)!r}, not {value!r}: give the same, or leave "
                "out --resume to begin anew"
            )
    parts: dict[str, dict[str, np.ndarray]] = {"learner": {}, "best": {}}
    for name, value in tensors.items():
        part, _, key = name.partition("/")
        parts.setdefault(part, {})[key] = value
    return Checkpoint(parts["learner"], parts["best"], reports)


def draw_plots(path: Path, learner: Learner, data: Dataset, reports: Sequence[Report], sample_rate: int) -> str:
    """Draw plots of the held-back frames; return "", or the reason why there is no picture.

    Raises
    ------
    ModelError
        The file cannot be written.
    """
    try:
        import matplotlib
    except ImportError:
        return "no plots: matplotlib is missing, pip install matplotlib"
    matplotlib.use("Agg")  # draws to files, without a screen
    from matplotlib import pyplot

    settle = max(learner.warm_up, SETTLE_FRAMES)
    x, y = data.segments(data.checks, settle)
    loudest = int(np.argmax(np.mean(y**2, axis=1)))
    found, wanted = learner.predict(x[loudest])[settle:], y[loudest, settle:]
    figure, (errors, spectra, waves) = pyplot.subplots(3, 1, figsize=(9, 11), layout="constrained")

    minutes = [report.seconds / 60.0 for report in reports]
    errors.semilogy(minutes, [100.0 * report.esr for report in reports], label="held back")
    errors.semilogy(minutes, [100.0 * report.esr_emphasised for report in reports], label="held back, pre-emphasised")
    errors.semilogy(minutes, [100.0 * report.loss for report in reports], label="loss on training frames", alpha=0.5)
    errors.set(xlabel="minutes", ylabel="%", title=f"error-to-signal ratio, best {100 * reports[-1].best:.3f} %")
    errors.legend()

    hertz = np.fft.rfftfreq(BINS, 1.0 / sample_rate)
    for wave, label in ((wanted, "target"), (found, "net"), (found - wanted, "error")):
        spectra.semilogx(hertz[1:], _decibels(wave)[1:], label=label)
    spectra.set(xlabel="Hz", ylabel="dB", xlim=(20.0, sample_rate / 2), title="spectra of the loudest piece")
    spectra.legend()

    frames = int(SHOWN_SECONDS * sample_rate)
    begin = int(np.clip(np.argmax(np.abs(wanted)) - frames // 4, 0, max(0, wanted.size - frames)))
    shown = slice(begin, begin + frames)
    time = 1000.0 * np.arange(wanted[shown].size) / sample_rate
    waves.plot(time, wanted[shown], label="target")
    waves.plot(time, found[shown], "--", label="net")
    waves.set(xlabel="ms", title="waveforms at the loudest place")
    waves.legend()
    try:
        figure.savefig(path, dpi=110)
    except (OSError, ValueError) as error:
        raise ModelError(f"{path}: the plots cannot be written: {error}") from error
    finally:
        pyplot.close(figure)
    return ""


def _decibels(wave: np.ndarray) -> np.ndarray:
    """Return the mean power spectrum of (frames,) in dB, with windows of `BINS` frames."""
    padded = np.pad(wave, (0, max(0, BINS - wave.size)))
    pieces = np.lib.stride_tricks.sliding_window_view(padded, BINS)[:: BINS // 2] * np.hanning(BINS)
    return 10.0 * np.log10(np.mean(np.abs(np.fft.rfft(pieces)) ** 2, axis=0) + 1e-12)
