"""From a preset to one that can play: files read, values set, levels found, compiled and prewarmed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..engine.engine import order_kernels
from ..engine.rig import EngineRig
from ..model.update import with_weights
from ..plan import prove as kernels
from ..plan.block import ChainBlock
from ..plan.chain import plan_chain
from ..plan.resolve import Models, Options, resolve, with_values
from ..rig.description import Preset
from .level import levelled
from .loaded import LoadedPreset
from .readfile import read_files


@dataclass(frozen=True)
class Loader:
    """How all presets of a stream are loaded.

    Parameters
    ----------
    sample_rate : float
        Hz.
    cold : bool
        Models are not prewarmed.
    channels : int
        Of the input; each goes through models of its own.
    """

    sample_rate: float
    models: Models
    options: Options
    cold: bool = False
    channels: int = 1

    def load(self, preset: Preset, values: Mapping[str, Any] | None = None) -> tuple[LoadedPreset, list[str]]:
        """Return a preset with `values` by address, compiled, and what the user should know about it.

        Raises
        ------
        RtfxError
            A file or a value that cannot be used.
        """
        blocks, written, notes = chain(preset, self.sample_rate, self.models, self.options, values or {})
        plan = plan_chain(blocks, self.sample_rate, self.channels)
        template = EngineRig(plan, self.cold)
        loaded = LoadedPreset(preset.name, plan, template, preset.scenes, self.cold, written=written, source=preset)
        loaded.files = read_files(preset.chain, self.models)
        loaded.learned = any(block.weights is not None for block in preset.chain)
        return loaded, notes


def load_presets(presets: Sequence[Preset], first: int, values: Mapping[str, Any], loader: Loader):
    """Compile and prewarm every preset, the first with `values`; return them and the notes, each once."""
    loaded, notes = [], []
    for index, preset in enumerate(presets):
        one, said = loader.load(preset, values if index == first else {})
        loaded.append(one)
        notes += [note for note in said if note not in notes]
    notes += [warning for warning in kernels.warnings if warning not in notes]
    return loaded, notes


def chain(
    preset: Preset, sample_rate: float, models: Models, options: Options, values: Mapping[str, Any]
) -> tuple[list[ChainBlock], list[dict], list[str]]:
    """Return the blocks of a preset at their levels, the values that it gives them itself, and notes.

    A model that has learned since it was loaded keeps the level that it had then.
    """
    order_kernels()
    blocks, said = resolve(preset, sample_rate, models, options)
    written = [dict(block.values) for block in blocks]
    read = {block.id: block.spec for block in blocks}
    blocks = [block.redrawn(block.values) for block in with_values(preset.name, blocks, values)]
    blocks, levels = levelled(blocks, sample_rate)
    learned = {block.id: block.weights for block in preset.chain if block.weights is not None}
    blocks = [
        replace(block, spec=with_weights(block.spec, learned[block.id]))
        if block.spec and block.spec is read[block.id] and block.id in learned
        else block
        for block in blocks
    ]
    return blocks, written, said + levels
