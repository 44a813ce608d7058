"""What was measured on this machine: the tile that each shape of layer is best computed with, kept on disk.

A tile says how many frames and outputs share the registers, not in which order a sum is added: whatever is chosen,
every sample stays the same, bit for bit. Without measurements the rules of `choose` and `layers` hold.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping

from ..kernels.conv import Tile
from ..kernels.jit import cache_folder

IGNORE = "RTFX_DETERMINISTIC"  # environment: set, the rules alone hold; worker processes inherit it
FILE = "wisdom.json"  # beside the kernels: of this processor and these sources
CANDIDATES = ((1, 8), (1, 16), (1, 4), (2, 4), (2, 6), (2, 8), (4, 2), (4, 4))  # vectors, outputs at a time

_trial: Mapping[str, Tile] | None = None
_asked: dict[str, Tile] | None = None
_read: tuple[str, float, dict[str, Tile]] = ("", -1.0, {})


def tile_for(kind: str, shape: tuple, rule: Tile) -> Tile:
    """Return the tile for a shape: one on trial, the one measured as best, or the rule's."""
    key = kind + " " + " ".join(map(str, shape))
    known = _trial if _trial is not None else {} if os.environ.get(IGNORE) else measured()
    tile = known.get(key, rule)
    if _asked is not None:
        _asked[key] = tile
    return tile


def measured() -> dict[str, Tile]:
    """Return the measured tiles by shape; a file that cannot be read counts as none."""
    global _read
    path = str(cache_folder() / FILE)
    try:
        changed = os.stat(path).st_mtime
        if _read[:2] != (path, changed):
            with open(path) as file:
                tiles = {str(key): Tile(*map(int, tile)) for key, tile in json.load(file).items()}
            _read = (path, changed, tiles)
    except (OSError, ValueError, TypeError, AttributeError):
        return {}
    return _read[2]


def remember(tiles: Mapping[str, Tile]) -> None:
    """Keep measured tiles; those of other shapes stay.

    Raises
    ------
    OSError
        The cache folder cannot be written.
    """
    path = cache_folder() / FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    everything = {**measured(), **tiles}
    with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False) as file:
        json.dump(dict(sorted(everything.items())), file, indent=1)
    os.replace(file.name, path)


@contextlib.contextmanager
def trying(tiles: Mapping[str, Tile]) -> Iterator[dict[str, Tile]]:
    """Use these tiles inside the block, for other shapes the rules', and yield what was asked for by then."""
    global _trial, _asked
    before = _trial, _asked
    _trial, _asked = tiles, {}
    try:
        yield _asked
    finally:
        _trial, _asked = before
