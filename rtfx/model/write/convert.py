"""Converts a model: writes it, loads what was written, and compares both."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ...errors import ModelError, reason_of
from ...files import replacement
from ..load import load
from ..parity import FRAMES, Parity, parity, settled
from ..spec import ModelSpec
from .save import format_of, save

FEWEST = 300  # frames that every size of a model is compared on


@dataclass(frozen=True)
class Converted:
    """What was written, how near it is, and what it does not say."""

    path: Path
    to: str
    parity: Parity
    warnings: tuple[str, ...]


def convert(spec: ModelSpec, path: str | Path, to: str | None = None, frames: int = FRAMES) -> Converted:
    """Write a model, and load what was written to compare it with the model; a file that cannot be loaded is removed.

    Parameters
    ----------
    to : str, optional
        A format; without it the suffix of `path` decides.
    frames : int
        Length of the signal that both are compared on.

    Raises
    ------
    RtfxError
        As `save`; or the file that was written is not the same model.
    """
    path, to = Path(path), format_of(path, to)
    try:
        with replacement(path, f".{path.stem}.trial{path.suffix}") as trial:  # name and suffix say something to readers
            warnings = save(spec, trial, to)
            found, start = _compared(spec, load(trial), frames)
    except OSError as error:
        raise ModelError(f"{path}: not written: {reason_of(error)}") from error
    return Converted(path, to, found, tuple([*warnings, *start, *_lost(spec, to)]))


def _compared(spec: ModelSpec, written: ModelSpec, frames: int) -> tuple[Parity, list[str]]:
    """Return how far the file is from the model, and what its players will do otherwise at the start.

    Where both have the same sizes, at the size where it is furthest. A recurrent net that is started otherwise in the
    other format is compared once both have run through the same silence.
    """
    limits = [limit for limit, _ in spec.sizes]
    if limits and limits == [limit for limit, _ in written.sizes]:
        pairs = zip(spec.sizes, written.sizes, strict=True)
        each = max(frames // len(limits), FEWEST)
        found = [parity(one, other, each) for (_, one), (_, other) in pairs]
        return max(found, key=lambda parity: parity.peak_error_db), []
    own = parity(spec, written, frames)
    if own.same or not spec.recurrent or spec.prewarm_frames == written.prewarm_frames:
        return own, []
    start = (
        f"its player runs {written.prewarm_frames} frames of silence through it first, the model's own "
        f"{spec.prewarm_frames}: until it has forgotten that, it differs by {own.peak_error_db:.0f} dB of the peak"
    )
    return parity(*settled(spec, written), frames), [start]


def _lost(spec: ModelSpec, to: str) -> list[str]:
    """Return what a host sets around the model and the file has no place for."""
    if to == "rtfx":
        return []
    warnings = []
    if spec.input_db:
        warnings.append(f"the gain before the model, {spec.input_db:+.1f} dB, is its host's and not in the file")
    if spec.level_db and not (to == "nam" and spec.loudness_db is not None):
        warnings.append(f"the gain behind the model, {spec.level_db:+.1f} dB, is its host's and not in the file")
    if spec.knobs and not spec.sizes:
        names = ", ".join(knob.name for knob in spec.knobs)
        warnings.append(f"knobs have no names in the file, only an order: {names}")
    return warnings
