"""A and B: two settings of each preset to compare by ear; a scene of the set list after the other."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .stream import Stream

Values = dict[str, float | str]


@dataclass
class Pair:
    """The two slots of one preset; the current one's values are those that play."""

    current: str = "A"
    kept: dict[str, Values] = field(default_factory=dict)


class Slots:
    """The slots of all presets, by name."""

    def __init__(self) -> None:
        self._pairs: dict[str, Pair] = {}

    def current(self, preset: str) -> str:
        """Return "A" or "B"."""
        return self._pairs[preset].current if preset in self._pairs else "A"

    def used(self, preset: str) -> bool:
        """Tell whether there is something to compare with."""
        return preset in self._pairs

    def switch(self, stream: Stream, slot: str) -> str:
        """Keep what plays in its slot and play the other; one that is empty begins as a copy. Return a line to show."""
        preset = stream.presets[stream.preset]
        if slot == self.current(preset):
            return f"slot {slot}"
        pair = self._pairs.setdefault(preset, Pair())
        playing: Values = {address: value for address, _, value in stream.parameters}
        pair.kept[pair.current] = playing
        pair.current = slot
        stream.history.close()
        if slot not in pair.kept:
            return f"slot {slot}: a copy of what played; turn it, and compare with a and b"
        other = pair.kept[slot]
        changed = {address: other[address] for address, value in playing.items() if other.get(address, value) != value}
        if changed:
            stream.set_many(changed, remember=False)
        return f"slot {slot}"


def next_scene(stream: Stream, current: str) -> str:
    """Play the scene after `current`; after the last, and as what has no name, the preset as it is written.

    All that any scene moves goes back to the preset's own value first, so that a scene sounds the same from wherever it
    is reached. Return its name.
    """
    names = ["", *stream.scenes]
    name = names[(names.index(current) + 1) % len(names)] if current in names else names[-1]
    written = stream.written
    moved = {address for scene in stream.scenes.values() for address in scene} & written.keys()
    values = {address: written[address] for address in moved} | dict(stream.scenes.get(name, {}))
    if values:
        stream.set_many(values)
    return name
