"""Writes a model in any of the formats that rtfx writes, and says which of them have words for it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ...errors import ModelError, UnsupportedArchitecture, UsageError, did_you_mean, reason_of
from ...files import write_file
from .. import rtfx_json
from ..spec import ModelSpec
from . import aidax, nam, proteus, rtneural

Document = Callable[[ModelSpec], tuple[dict[str, Any], list[str]]]
DOCUMENTS: dict[str, Document] = {
    "rtneural": rtneural.document,
    "nam": nam.document,
    "aidax": aidax.document,
    "proteus": proteus.document,
}
FORMATS = ("rtfx", *DOCUMENTS)
NAMES = {"rtfx": "rtfx JSON", "rtneural": "RTNeural JSON", "nam": "NAM", "aidax": "AIDA-X", "proteus": "Proteus JSON"}
SIZED = ("rtfx", "nam")  # formats that keep all sizes of a slimmable net
SUFFIXES = {".nam": "nam", ".aidax": "aidax", ".json": "rtfx"}


def format_of(path: str | Path, to: str | None = None) -> str:
    """Return the format to write: `to`, else what the file's suffix says.

    Raises
    ------
    UsageError
        An unknown format, or a suffix that is none's.
    """
    if to is not None:
        if to not in FORMATS:
            raise UsageError(f"no format {to!r}{did_you_mean(to, FORMATS)}, expected one of: {', '.join(FORMATS)}")
        return to
    suffix = Path(path).suffix.lower()
    if suffix not in SUFFIXES:
        raise UsageError(f"{path}: the suffix says no format, name one with --to: {', '.join(FORMATS)}")
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
        What the file does not say, or what its own player makes of it.

    Raises
    ------
    UsageError
        An unknown format.
    UnsupportedArchitecture
        Names the node that the format has no words for, and the formats that have.
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
            f"{title} cannot be said in {NAMES[to]}: {error}; formats that can: {others}"
        ) from None
    path = Path(path)
    try:
        write_file(path, json.dumps(data, allow_nan=False) + "\n")
    except (OSError, ValueError) as error:
        raise ModelError(f"{path}: not written: {reason_of(error)}") from error
    return list(dict.fromkeys([*warnings, *more]))


def possible(spec: ModelSpec) -> list[str]:
    """Return the formats that have words for a model."""
    found = ["rtfx"]
    for name, document in DOCUMENTS.items():
        try:
            document(spec)
        except ModelError:
            continue
        found.append(name)
    return found
