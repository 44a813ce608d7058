"""Converts a model: writes it, loads what was written, and compares both."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ...errors import ModelError
from ..load import load
from ..parity import FRAMES, Parity, parity
from ..spec import ModelSpec
from .save import format_of, save


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
    trial = path.with_name(f".{path.stem}.trial{path.suffix}")  # the suffix and the name say something to readers
    try:
        warnings = save(spec, trial, to)
        found = parity(spec, load(trial), frames)
        trial.replace(path)
    except OSError as error:
        raise ModelError(f"{path}: not written: {error}") from error
    finally:
        trial.unlink(missing_ok=True)
    return Converted(path, to, found, tuple([*warnings, *_lost(spec, to)]))


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
