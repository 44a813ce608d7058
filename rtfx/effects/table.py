"""The table of effects: what may stand in a chain."""

from __future__ import annotations

from ..rig.blocks import BlockSpec
from .cab import CAB
from .comp import COMP
from .delay import DELAY
from .effect import Effect
from .eq import EQ
from .gain import GAIN
from .gate import GATE
from .graphic_eq import GRAPHIC_EQ
from .klon import KLON
from .model import MODEL
from .parametric_eq import PARAMETRIC_EQ
from .peak_limiter import LIMITER
from .reverb import REVERB
from .split import ROUTING
from .tilt import TILT
from .tonestack import TONESTACK

EFFECTS = (
    GAIN,
    GATE,
    COMP,
    LIMITER,
    EQ,
    PARAMETRIC_EQ,
    GRAPHIC_EQ,
    TILT,
    TONESTACK,
    KLON,
    MODEL,
    CAB,
    DELAY,
    REVERB,
)
BLOCKS: dict[str, Effect] = {effect.type: effect for effect in EFFECTS} | ROUTING


def effect_of(block: BlockSpec) -> Effect:
    """Return the effect of a block that is written in a set list or in Python, with the parameters of its paths."""
    return BLOCKS[block.type].of(block.router)
