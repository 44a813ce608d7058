"""The file that a block plays: its path and a digest of its content."""

from __future__ import annotations

import hashlib
from pathlib import Path

from ..effects.table import effect_of
from ..files import read_file
from ..find import find_audio, find_model
from ..model.spec import ModelSpec
from ..rig.blocks import BlockSpec


def identity(block: BlockSpec) -> tuple[str, str]:
    """Return (absolute path, SHA-256) of a block's file; for a random net its name, for a model in memory "".

    Raises
    ------
    RtfxError
        There is no such file.
    """
    path = path_of(block)
    if path is None:
        return "" if isinstance(block.file, ModelSpec) else str(block.file), ""
    name = str(path.resolve())
    return name, digest(name)


def path_of(block: BlockSpec) -> Path | None:
    """Return the path of a block's file, None for a model in memory or a random net; RtfxError if it is missing."""
    if block.file is None or isinstance(block.file, ModelSpec) or str(block.file).startswith("random:"):
        return None
    return (find_model if _plays(block) == "model" else find_audio)(block.file, block.beside)


def _plays(block: BlockSpec) -> str:
    return effect_of(block).file


def digest(name: str) -> str:
    """Return the SHA-256 of a file, or of the files in a folder; "" if it cannot be read."""
    path = Path(name)
    try:
        files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
        return hashlib.sha256(b"".join(read_file(file) for file in files)).hexdigest()
    except OSError:
        return ""
