"""What the player has chosen on the page: the knob that the keys turn, the slots, the scene, the help page."""

from __future__ import annotations

from dataclasses import dataclass, field

from .knobs import OUT_GAIN
from .slots import Slots


@dataclass
class Selection:
    """The state of keys and page. It holds no stream, so that a deleted stream ends at once."""

    knob: str = OUT_GAIN
    slots: Slots = field(default_factory=Slots)
    scenes: dict[str, str] = field(default_factory=dict)  # preset to the scene chosen last
    help: bool = False
    set_list: str = ""  # where scenes are saved, once a new file had to be made
