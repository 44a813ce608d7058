"""One block of a rig, ready to be planned: its parameters, its model or impulse response, and its cell values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import numpy as np

from ..effects.effect import Effect
from ..effects.klon import NEURAL
from ..errors import UsageError
from ..kernels.resample import Ratio
from ..model.levels import PLUGIN
from ..model.random.nets import changed_words, kind_of, redrawn, settings_of
from ..model.spec import SIZE, ModelSpec
from ..rig import random_block
from ..rig.blocks import BlockSpec
from ..rig.parameters import BPM, ON, OVERSAMPLE, PHASE, Parameter
from ..units import gain_from_db
from .resampling import Conversion


@lru_cache(maxsize=64)
def _stretched(spec: ModelSpec, factor: int) -> ModelSpec:
    return spec.stretched(factor)


@dataclass(frozen=True, eq=False)
class ReadyBlock:
    """One block of a rig, ready to be planned.

    Parameters
    ----------
    id : str
        Unique in the chain; the first half of parameter addresses.
    effect : Effect
        Parameter table and kernel.
    values : mapping
        Parameter values in native units, every parameter present.
    spec : ModelSpec, optional
        The model of a `model` block.
    impulse : (channels, taps) float64, optional
        The impulse response of a `cab` block.
    bare : bool
        Play the model as defined: all gains are 1, and there is no DC blocker.
    level : str
        "plugin": the level that the model states; "normal": `loading.level` finds it; "none".
    model_rate : float, optional
        The rate in Hz the model runs at, converted to and from the stream's; None: the stream's.
    resample_phase : str
        Of that conversion's filters, one of `rig.parameters.PHASES`.
    period_rate : float, optional
        The original rate in Hz of a model that is stretched to the stream's; the model gets this sample period.
    net : ModelSpec, optional
        The net that computes the gain stage of a `klon` block in neural mode.
    notes : tuple of str
        What the user should know about its file.
    source : BlockSpec, optional
        The block's entry in the set list.
    input_db, output_db : float
        Gains in dB before and after the model, in addition to those that it states; a bare model ignores them.
    key : str
        The side input: "input", the id of a block before it, or "".
    paths : int
        The number of paths of a routing block, else 0; the blocks on them follow it in the chain.
    branch : tuple of (str, int)
        The routing blocks around it, the outermost first: the id of each, and which of its paths, from 0.
    """

    id: str
    effect: Effect
    values: Mapping
    spec: ModelSpec | None = None
    impulse: np.ndarray | None = None
    bare: bool = False
    level: str = PLUGIN
    model_rate: float | None = None
    input_db: float = 0.0
    output_db: float = 0.0
    resample_phase: str = "linear"
    period_rate: float | None = None
    net: ModelSpec | None = None
    notes: tuple[str, ...] = ()
    source: BlockSpec | None = None
    key: str = ""
    paths: int = 0
    branch: tuple[tuple[str, int], ...] = ()

    @cached_property
    def parameters(self) -> tuple[Parameter, ...]:
        """The effect's parameters, then the settings of a random net or a model's knobs; made once."""
        knobs, kind = self.spec.knobs if self.spec else (), kind_of(self.spec)
        net = random_block.parameters(kind) if kind else ()
        own = (
            Parameter(knob.name, knob.default, knob.minimum, knob.maximum, knob.unit, self._kind(knob.name))
            for knob in knobs
        )
        return (*self.effect.parameters, *net, *own)

    @cached_property
    def table(self) -> dict[str, Parameter]:
        """The parameters by name."""
        return {parameter.name: parameter for parameter in self.parameters}

    def redrawn(self, values: Mapping) -> ReadyBlock:
        """Return the block at other values; of a random net that which they describe, not yet at its level."""
        if self.spec is None or not kind_of(self.spec):
            return replace(self, values=dict(values))
        spec = redrawn(self.spec, values)
        return replace(self, values=dict(values), spec=spec, output_db=self.output_db if spec is self.spec else 0.0)

    def check_together(self, values: Mapping) -> None:
        """Raise the error of values that cannot be together, such as a random net that would be too costly."""
        if self.spec and self.spec.period > 1 and int(values.get(OVERSAMPLE.name, 1)) > 1:
            raise UsageError(
                f"{self.id}: {OVERSAMPLE.name} is {values[OVERSAMPLE.name]}, expected 1: {self.spec.name} has strides, "
                "which no other rate keeps"
            )
        if self.spec and kind_of(self.spec):
            changed_words(self.spec, values)

    @property
    def drawn_with(self) -> dict[str, int | str]:
        """The settings of a random net that can be turned, none of any other model."""
        said = settings_of(self.spec) if self.spec and kind_of(self.spec) else {}
        return {parameter.name: said[parameter.name] for parameter in self.parameters if parameter.name in said}

    def _kind(self, knob: str) -> str:
        return "structural" if self.spec is not None and self.spec.sizes and knob == SIZE else "continuous"

    @property
    def playing(self) -> ModelSpec | None:
        """The model that plays, at the rate at which it runs.

        Of a slimmable one it is the one that its size chooses; in a `klon` block that of its mode.
        """
        if self.net is not None:
            return self.net if self.values["mode"] == NEURAL else None
        spec = self.spec.at_size(float(self.values[SIZE])) if self.spec and self.spec.sizes else self.spec
        return _stretched(spec, self.oversample) if spec and self.oversample > 1 else spec

    @property
    def oversample(self) -> int:
        """How many times faster than the rate that fits it the model runs."""
        return int(self.values.get(OVERSAMPLE.name, 1))

    def cells(self, values: Mapping, sample_rate: float) -> list[float]:
        """Return the values of the block's cells: linear gains, coefficients, knobs, and last whether it is on.

        Parameters
        ----------
        values : mapping
            A value for each parameter; notes have their length at the value of `bpm`.
        sample_rate : float
            Hz.
        """
        on = float(values.get(ON.name, ON.default))
        bpm = float(values.get(BPM.name, BPM.default))
        notes = {p.name: p.number(values[p.name], bpm) for p in self.parameters if p.note}
        cells = [float(v) for v in self.effect.cells({**values, **notes}, sample_rate)]
        if self.spec is None:
            return [*cells, on]
        if self.bare:
            cells = [1.0] * len(cells)
        else:
            cells[0] *= gain_from_db(self.spec.input_db + self.input_db)
            cells[1] *= gain_from_db((self.spec.level_db if self.level == PLUGIN else 0.0) + self.output_db)
        period = 1.0 / (self.period_rate or self.model_rate or sample_rate)
        return [*cells, *(values[knob.name] for knob in self.spec.knobs), period, on]

    def conversion(self, sample_rate: float) -> Conversion | None:
        """Return the conversion around the model, None if it runs at the stream's rate."""
        rate = (self.model_rate or sample_rate) * self.oversample
        if self.playing is None or rate == sample_rate:
            return None
        phase = self.values[PHASE.name] if self.oversample > 1 else self.resample_phase
        return Conversion(Ratio.of(rate, sample_rate), str(phase))

    def latency(self, sample_rate: float) -> int:
        """Return the frames by which the block's output is late."""
        conversion = self.conversion(sample_rate)
        return self.effect.latency(sample_rate) + (conversion.latency if conversion else 0)

    def prewarm_frames(self, sample_rate: float) -> int:
        """Return the stream frames of silence that bring the block to rest."""
        return self._stream_frames(self.playing.prewarm_frames if self.playing else 0, sample_rate)

    def memory_frames(self, sample_rate: float) -> int:
        """Return after how many stream frames the initial state has no effect on the output; 0 for effects."""
        if self.impulse is not None:
            return self.impulse.shape[1] - 1
        if self.playing is None:
            return 0
        return self._stream_frames(self.playing.receptive_field or self.playing.prewarm_frames, sample_rate)

    def _stream_frames(self, frames: int, sample_rate: float) -> int:
        """Convert frames of the model to stream frames, and add the filters of the conversion around the model."""
        conversion = self.conversion(sample_rate)
        if conversion is None:
            return frames
        up, down = conversion.ratio
        return -(-(frames + conversion.outward_taps) * down // up) + conversion.inward_taps
