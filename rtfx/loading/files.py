"""What a block's file was when it was read, to tell whether it still is that, and where it is not."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from ..effects.table import BLOCKS
from ..files import read_file
from ..find import find_audio, find_model
from ..model.spec import ModelSpec
from ..plan.resolve import Models
from ..rig.blocks import BlockSpec


@dataclass(frozen=True)
class ReadFile:
    """A file as it was read.

    Parameters
    ----------
    name : str
        Its absolute path, or the words of a random net; "" for a model that is in no file.
    digest : str
        SHA-256 of what is in it, "" for what is no file.
    spec : ModelSpec or None
        What a model's file says.
    """

    name: str
    digest: str
    spec: ModelSpec | None = None

    @property
    def kept(self) -> bool:
        """Whether the same can be read again."""
        return bool(self.name) and (not self.digest or digest(self.name) == self.digest)


def read_files(chain: tuple[BlockSpec, ...], models: Models) -> dict[str, ReadFile]:
    """Return what the blocks of a chain have read, by block."""
    return {
        block.id: ReadFile(*identity(block), models.of(block) if _plays(block) == "model" else None)
        for block in chain
        if block.file is not None
    }


def identity(block: BlockSpec) -> tuple[str, str]:
    """Return name and digest of a block's file, as in `ReadFile`.

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
    """Return where a block's file is, None for a model in memory or a random net; RtfxError if there is none."""
    if block.file is None or isinstance(block.file, ModelSpec) or str(block.file).startswith("random:"):
        return None
    return (find_model if _plays(block) == "model" else find_audio)(block.file, block.beside)


def _plays(block: BlockSpec) -> str:
    return BLOCKS[block.type].file


def digest(name: str) -> str:
    """Return the SHA-256 of a file, or of the files in a folder; "" if it cannot be read."""
    path = Path(name)
    try:
        files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
        return hashlib.sha256(b"".join(read_file(file) for file in files)).hexdigest()
    except OSError:
        return ""
