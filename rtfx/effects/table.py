"""The table of effects: what may stand in a chain."""

from __future__ import annotations

from ..rig.blocks import BlockSpec
from .autowah import AUTOWAH
from .cab import CAB
from .chorus import CHORUS
from .comp import COMP
from .delay import DELAY
from .doubler import DOUBLER
from .effect import Effect
from .eq import EQ
from .flanger import FLANGER
from .gain import GAIN
from .gate import GATE
from .graphic_eq import GRAPHIC_EQ
from .klon import KLON
from .model import MODEL
from .mono import MONO
from .octaver import OCTAVER
from .parametric_eq import PARAMETRIC_EQ
from .peak_limiter import LIMITER
from .phaser import PHASER
from .reverb import REVERB
from .rotary import ROTARY
from .split import ROUTING
from .tilt import TILT
from .tonestack import TONESTACK
from .transpose import TRANSPOSE
from .tremolo import TREMOLO
from .vibrato import VIBRATO
from .wah import WAH
from .width import WIDTH

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
    TRANSPOSE,
    OCTAVER,
    MONO,
    WIDTH,
    KLON,
    MODEL,
    CAB,
    DELAY,
    REVERB,
    CHORUS,
    FLANGER,
    PHASER,
    TREMOLO,
    VIBRATO,
    ROTARY,
    DOUBLER,
    WAH,
    AUTOWAH,
)
BLOCKS: dict[str, Effect] = {effect.type: effect for effect in EFFECTS} | ROUTING


def effect_of(block: BlockSpec) -> Effect:
    """Return the effect of a block that is written in a set list or in Python, with the parameters of its paths."""
    return BLOCKS[block.type].of(block.router)
