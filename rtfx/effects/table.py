"""The table of effects: what may stand in a chain."""

from __future__ import annotations

from .cab import CAB
from .comp import COMP
from .delay import DELAY
from .effect import Effect
from .eq import EQ
from .gain import GAIN
from .gate import GATE
from .klon import KLON
from .model import MODEL
from .peak_limiter import LIMITER

EFFECTS = (
    GAIN,
    GATE,
    COMP,
    LIMITER,
    EQ,
    KLON,
    MODEL,
    CAB,
    DELAY,
)
BLOCKS: dict[str, Effect] = {effect.type: effect for effect in EFFECTS}
