"""The models of a rig that its caller holds: their knobs and weights are what they are at each moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ..rig.blocks import BlockSpec, HasKnobs
from ..rig.set_list import Preset
from .stream import Stream


class Owned:
    """Models by block."""

    def __init__(self, chain: tuple[BlockSpec, ...] = (), items: list[Any] | None = None):
        pairs = zip(chain, items or [], strict=True)
        self._models: Mapping[str, HasKnobs] = {b.id: item for b, item in pairs if isinstance(item, HasKnobs)}

    def current(self, preset: Preset) -> Preset:
        """Return the preset with the weights and knobs of the models as they are now."""
        if not self._models:
            return preset
        return replace(preset, chain=tuple(self._block(block) for block in preset.chain))

    def _block(self, block: BlockSpec) -> BlockSpec:
        model = self._models.get(block.id)
        if model is None:
            return block
        learned = None if model.spec is block.file else model.spec
        return replace(block, weights=learned, values={**block.values, **model.knobs})

    def heard_in(self, stream: Stream, preset: int) -> None:
        """Tell the models which stream plays them."""
        for block, model in self._models.items():
            model.heard_in(stream, preset, block)
