"""From a preset to one that can play: files read, values set, levels found, compiled and prewarmed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..engine.engine import order_kernels
from ..engine.rig import EngineRig
from ..errors import RtfxError, UsageError
from ..model.update import with_weights
from ..plan.block import ReadyBlock
from ..plan.chain import plan_chain
from ..plan.resolve import Models, resolve, with_values
from ..rig.parameters import Options
from ..rig.set_list import Preset
from .level import levelled
from .loaded_preset import LoadedPreset


@dataclass(frozen=True)
class Loader:
    """How all presets of a stream are loaded.

    Parameters
    ----------
    sample_rate : float
        Hz.
    channels : int
        Of the input; each goes through models of its own.
    """

    sample_rate: float
    models: Models
    options: Options
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
        template = EngineRig(plan, self.options.cold)
        loaded = LoadedPreset(preset.name, plan, template, preset.scenes, preset, written)
        loaded.learned = any(block.weights is not None for block in preset.chain)
        return loaded, [*notes, *plan.replaced]


def load_presets(presets: Sequence[Preset], first: int, values: Mapping[str, Any], loader: Loader):
    """Compile and prewarm every preset, the first with `values`; return them and the notes, each once."""
    loaded, notes = [], []
    for index, preset in enumerate(presets):
        one, said = loader.load(preset, values if index == first else {})
        loaded.append(one)
        notes += [note for note in said if note not in notes]
    return loaded, notes


def load_playable(
    presets: Sequence[Preset], first: int, fixed: bool, values: Mapping[str, Any], loader: Loader
) -> tuple[list[LoadedPreset], int, list[str]]:
    """Compile and prewarm every preset that can play; return all, the place of the first to play, and notes.

    Parameters
    ----------
    fixed : bool
        `first` must be able to play; otherwise the next one that can takes its place.

    Raises
    ------
    RtfxError
        `first` is fixed and cannot play, or none can.
    UsageError
        Of `values`, or of how models are to be played: that is no fault of a preset.
    """
    loaded: list[LoadedPreset] = []
    found: dict[str, None] = {}  # notes, each once
    faults: dict[int, RtfxError] = {}
    for index, preset in enumerate(presets):
        try:
            one, said = loader.load(preset, values if index == first else {})
        except UsageError:
            raise
        except RtfxError as error:
            if fixed and index == first:
                raise
            faults[index] = error
            loaded.append(LoadedPreset(preset.name, source=preset, fault=str(error)))
            continue
        loaded.append(one)
        found.update(dict.fromkeys(said))
    if len(faults) == len(presets):
        more = f" (nor can any of the {len(presets) - 1} other presets play)" if len(presets) > 1 else ""
        raise type(faults[0])(f"{faults[0]}{more}") from faults[0]
    if first in faults:
        places = [*range(first, len(presets)), *range(first)]
        first = next(index for index in places if index not in faults)
        loaded[first], _ = loader.load(presets[first], values)
    faulty = [cannot_play(index, presets[index].name, str(error)) for index, error in faults.items()]
    return loaded, first, list(dict.fromkeys([*faulty, *found]))


def cannot_play(index: int, name: str, reason: str) -> str:
    """Return the line that says why a preset cannot play; `index` is its place, from 0."""
    return f"preset {index + 1}, {name}, cannot play: {reason}"


def chain(
    preset: Preset, sample_rate: float, models: Models, options: Options, values: Mapping[str, Any]
) -> tuple[list[ReadyBlock], dict[str, Mapping[str, Any]], list[str]]:
    """Return the blocks of a preset at their levels, the values that it gives each block itself, and notes.

    A model that has learned since it was loaded keeps the level that it had then.
    """
    order_kernels()
    blocks, said = resolve(preset, sample_rate, models, options)
    written = {block.id: block.values for block in blocks}
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
