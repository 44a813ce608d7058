"""Writes a model in any format that rtfx writes, lists the formats that fit it, and compares the file with it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import ModelError, UnsupportedArchitecture, UsageError, did_you_mean, reason_of
from ...files import replacement, write_file
from .. import rtfx_json
from ..load import load
from ..parity import FRAMES, Parity, parity, settled
from ..spec import ModelSpec
from . import captures, nam, rtneural

Document = Callable[[ModelSpec], tuple[dict[str, Any], list[str]]]
DOCUMENTS: dict[str, Document] = {
    "rtneural": rtneural.document,
    "nam": nam.document,
    "aidax": captures.aidax,
    "proteus": captures.proteus,
}
FORMATS = ("rtfx", *DOCUMENTS)
NAMES = {"rtfx": "rtfx JSON", "rtneural": "RTNeural JSON", "nam": "NAM", "aidax": "AIDA-X", "proteus": "Proteus JSON"}
SIZED = ("rtfx", "nam")  # formats that keep all sizes of a slimmable net
SUFFIXES = {".nam": "nam", ".aidax": "aidax", ".json": "rtfx"}
FEWEST = 300  # frames that every size of a model is compared on


def format_of(path: str | Path, to: str | None = None) -> str:
    """Return the format to write: `to`, else the format of the file's suffix.

    Raises
    ------
    UsageError
        The format is unknown, or no format has this suffix.
    """
    if to is not None:
        if to not in FORMATS:
            raise UsageError(f"no format {to!r}{did_you_mean(to, FORMATS)}, expected one of: {', '.join(FORMATS)}")
        return to
    suffix = Path(path).suffix.lower()
    if suffix not in SUFFIXES:
        raise UsageError(f"{path}: the suffix names no format: name one with --to: {', '.join(FORMATS)}")
    return SUFFIXES[suffix]


def check_folder(path: Path) -> None:
    """Raise ModelError, before any work is done, if nothing can be written at `path`."""
    folder = path.parent
    if not folder.is_dir():
        raise ModelError(f"{path}: the folder {folder} does not exist: make it first")
    if not os.access(folder, os.W_OK):
        raise ModelError(f"{path}: permission denied in {folder.absolute()}: name a folder that you may write to")


def save(spec: ModelSpec, path: str | Path, to: str | None = None) -> list[str]:
    """Write a model; an existing file is replaced in one step.

    Parameters
    ----------
    to : str, optional
        One of `FORMATS`; without it the suffix of `path` decides, .json being rtfx JSON.

    Returns
    -------
    list of str
        Facts that the file cannot hold, or that its own player treats differently.

    Raises
    ------
    UsageError
        An unknown format.
    UnsupportedArchitecture
        Names the node that the format cannot hold, and the formats that can.
    ModelError
        The file cannot be written.
    """
    to = format_of(path, to)
    warnings = []
    if spec.sizes and to not in SIZED:
        warnings.append("only the full size is written, the knob 'size' is not")
    if to == "rtfx":
        rtfx_json.save(spec, path)
        return warnings
    try:
        data, more = DOCUMENTS[to](spec)
    except UnsupportedArchitecture as error:
        others = ", ".join(possible(spec))
        title = spec.name or spec.family
        raise UnsupportedArchitecture(
            f"{title} cannot be written as {NAMES[to]}: {error}; it can be written as: {others}"
        ) from None
    path = Path(path)
    try:
        write_file(path, json.dumps(data, allow_nan=False) + "\n")
    except (OSError, ValueError) as error:
        raise ModelError(f"{path}: not written: {reason_of(error)}") from error
    return list(dict.fromkeys([*warnings, *more]))


def possible(spec: ModelSpec) -> list[str]:
    """Return the formats that a model can be written in."""
    found = ["rtfx"]
    for name, document in DOCUMENTS.items():
        try:
            document(spec)
        except ModelError:
            continue
        found.append(name)
    return found


@dataclass(frozen=True)
class Converted:
    """The path that was written, the difference from the model, and warnings about facts that the file cannot hold."""

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
        As `save`; or the written file does not give the same output as the model.
    """
    path, to = Path(path), format_of(path, to)
    try:
        with replacement(path, f".{path.stem}.trial{path.suffix}") as trial:  # readers use name and suffix
            warnings = save(spec, trial, to)
            found, start = _compared(spec, load(trial), frames)
    except OSError as error:
        raise ModelError(f"{path}: not written: {reason_of(error)}") from error
    return Converted(path, to, found, tuple([*warnings, *start, *_lost(spec, to)]))


def _compared(spec: ModelSpec, written: ModelSpec, frames: int) -> tuple[Parity, list[str]]:
    """Return the difference between file and model, and warnings about a different start in the format's players.

    If both have the same sizes, the largest difference of all sizes counts. If the format starts a recurrent net in
    another way, both are compared after the same silence.
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
    """Return the host's settings of the model that the file cannot hold."""
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
