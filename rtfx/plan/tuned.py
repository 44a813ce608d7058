"""The fastest of several kernels for each shape of layer, as `rtfx tune` measured it and stored it on disk.

All kernels for a shape give the same samples, bit for bit. A tile is a number of frames and outputs that are in
registers together; it does not change the order of a sum. Stacked recurrent layers are computed by one kernel, or by
one kernel each. Without measurements the rules in `lowering` decide.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ..files import read_file, write_file
from ..kernels.cache import cache_folder
from ..kernels.conv import OVERHANG, ConvTile

IGNORE = "RTFX_DETERMINISTIC"  # environment variable: if set, measurements are ignored; worker processes inherit it
FILE = "tuned.json"  # in the folder of the kernels, which belongs to one processor and one version of the sources
CANDIDATES = ((1, 8), (1, 16), (1, 4), (2, 4), (2, 6), (2, 8), (4, 2), (4, 4))  # vectors, outputs at a time
TOGETHER, APART = (1,), (0,)  # layers that feed each other: one kernel, or one each

Choice = tuple[int, ...]


class Asked(NamedTuple):
    """The choice made for a shape, and those among which it was made."""

    made: Choice
    among: tuple[Choice, ...]


_trial: Mapping[str, Choice] | None = None
_asked: dict[str, Asked] | None = None
_read: tuple[str, float, dict[str, Choice]] = ("", -1.0, {})


def tile_for(kind: str, shape: Any, rule: ConvTile) -> ConvTile:
    """Return the tile for a shape, as `choice` does; candidates that would read past the buffers' end are left out."""
    widest = max(getattr(shape, "sums", 0), shape.outputs + getattr(shape, "head_rows", 0))
    different = {(rule.vectors, min(rule.group, widest)): rule}  # all groups wider than the layer are equal
    for vectors, group in CANDIDATES:
        if vectors * rule.lanes <= OVERHANG:
            different.setdefault((vectors, min(group, widest)), ConvTile(rule.lanes, vectors, group))
    return ConvTile(*choice(kind, shape, rule, list(different.values())))


def choice(kind: str, shape: tuple, rule: Choice, others: Sequence[Choice]) -> Choice:
    """Return how to compute a shape: the choice on trial or the one measured as best if it is among these, else `rule`.

    Parameters
    ----------
    kind : str
        Of layer.
    shape : tuple
    rule : Choice
        What is chosen without measurements.
    others : sequence of Choice
        The alternatives.
    """
    key = kind + " " + " ".join(map(str, shape))
    among = tuple(dict.fromkeys([rule, *others]))
    known = (in_force() if _trial is None else _trial).get(key)
    made = next((one for one in among if one == known), rule)
    if _asked is not None:
        _asked[key] = Asked(made, among)
    return made


def in_force() -> dict[str, Choice]:
    """Return the measured choices, none where `IGNORE` is set."""
    return {} if os.environ.get(IGNORE) else measured()


def measured() -> dict[str, Choice]:
    """Return the measured choices by shape; a file that cannot be read counts as none."""
    global _read
    path = str(cache_folder() / FILE)
    try:
        changed = os.stat(path).st_mtime
        if _read[:2] != (path, changed):
            found = json.loads(read_file(path))
            choices = {str(key): tuple(map(int, numbers)) for key, numbers in found.items()}
            _read = (path, changed, choices)
    except (OSError, ValueError, TypeError, AttributeError, OverflowError, RecursionError):
        return {}
    return _read[2]


def remember(choices: Mapping[str, Choice]) -> None:
    """Keep measured choices; those of other shapes stay.

    Raises
    ------
    OSError
        The cache folder cannot be written.
    """
    path = cache_folder() / FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    everything = {**measured(), **choices}
    write_file(path, json.dumps(dict(sorted(everything.items())), indent=1))


@contextlib.contextmanager
def trying(choices: Mapping[str, Choice] | None) -> Iterator[dict[str, Asked]]:
    """Use these choices inside the `with` block, and rules for other shapes; yield the choices made so far.

    With None, measurements and rules decide as usual.
    """
    global _trial, _asked
    before = _trial, _asked
    _trial, _asked = choices, {}
    try:
        yield _asked
    finally:
        _trial, _asked = before


def listening() -> contextlib.AbstractContextManager[dict[str, Asked]]:
    """Yield the choices made inside the `with` block, without any change to them."""
    return trying(_trial)
