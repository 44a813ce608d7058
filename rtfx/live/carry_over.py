"""What the player has set, carried from one stream to the next when everything is loaded for another sample rate."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import PresetError

if TYPE_CHECKING:
    from ..loading.loaded_preset import Value
    from .stream import Stream


@dataclass(frozen=True)
class Carried:
    """The state of a stream that is not the rig's own: presets, values, gains, switches; and what was counted."""

    preset: int
    values: dict[str, dict[str, Value]]  # of each preset, by address
    mute: bool
    bypass: bool
    in_channel: int
    in_gain_db: float
    out_gain_db: float
    seconds: float
    reconnects: int

    @classmethod
    def of(cls, stream: Stream) -> Carried:
        """Return the state as it is now."""
        return cls(
            stream.preset,
            {preset.name: preset.values for preset in stream.controller.presets},
            stream.mute,
            stream.bypass,
            stream.in_channel,
            stream.in_gain_db,
            stream.out_gain_db,
            stream.stats.frames / stream.stats.sample_rate,
            stream.reconnects,
        )

    def into(self, stream: Stream) -> None:
        """Set a stream of the same rig to it; presets that were edited meanwhile keep what their file says."""
        presets = stream.controller.presets
        for preset in presets:
            values = self.values.get(preset.name, {})
            if values.keys() == preset.knobs.keys():
                for address, knob in preset.knobs.items():
                    knob.values[knob.parameter.name] = values[address]
        with contextlib.suppress(PresetError):  # a file is gone meanwhile: another preset plays
            stream.select(min(self.preset, len(presets) - 1))
        stream.mute, stream.bypass = self.mute, self.bypass
        stream.in_channel = self.in_channel
        stream.in_gain_db, stream.out_gain_db = self.in_gain_db, self.out_gain_db
        stream.reconnects = self.reconnects + 1
