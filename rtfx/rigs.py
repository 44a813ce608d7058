"""A rig: a chain of blocks, or the presets of a set list, as a function of arrays, a file renderer, a live stream."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .effects.table import BLOCKS
from .engine.offline import BLOCK_FRAMES, Offline
from .errors import UsageError
from .find import find_preset
from .host.render import Rendered, at_rate, planar, render_file
from .live.open import open_stream
from .live.settings import StreamSettings
from .live.shutdown import end_when_interrupted
from .live.stream import Stream
from .loading.preset import chain
from .model.spec import ModelSpec
from .notebook.html import rig_table
from .plan.chain import Plan, plan_chain
from .plan.resolve import Models, common_rate, models_of
from .rig.blocks import BlockSpec, HasKnobs, blocks_of
from .rig.parameters import Options
from .rig.set_list import Preset, SetList, load_set_list

_rigs: weakref.WeakSet[Rig] = weakref.WeakSet()


class Asked(NamedTuple):
    """What a call is compiled for: the rig's rate in Hz, input channels, and how it is played."""

    rate: float
    channels: int
    options: Options


class Calling(NamedTuple):
    """What one call has left for the next one.

    Parameters
    ----------
    offline : Offline or None
        The compiled rig with its state; None if the next call begins anew.
    chain : list
        File, weights and values of each block that it was prewarmed with.
    weights : list
        Of each block now: what models have learned.
    """

    offline: Offline | None = None
    asked: Asked = Asked(0.0, 0, Options())
    chain: list[tuple[Any, ...]] = []
    weights: list[Any] = []


class Rig:
    """A chain of blocks, or the presets of a set list.

    Parameters
    ----------
    chain : iterable
        Models, paths of models and impulse responses, or mappings as in a set list: ``{"type": "gate", ...}``.
    cab : str, optional
        An impulse response for the end of the chain, or "none".
    inputs : str, optional
        "channels" or "knobs": what the inputs of models that have several are, whatever files or blocks say.

    It may be used from any thread: calls take turns. Pickled or copied it keeps its models, their knobs and what they
    have learned; the copy begins anew.
    """

    def __init__(
        self,
        chain: Iterable[Any] = (),
        cab: str | None = None,
        inputs: str | None = None,
    ):
        if isinstance(chain, str | Mapping) or not isinstance(chain, Iterable):
            raise UsageError(f"chain is {chain!r}, expected a list of blocks, such as Rig(['klon.json'])")
        items = list(chain)
        self._models = Models(inputs)
        self.set_list = SetList(Path("rig"), presets=(Preset("rig", tuple(blocks_of(items, BLOCKS))),))
        pairs = zip(self.presets[0].chain, items, strict=True)
        self._held = {block.id: item for block, item in pairs if isinstance(item, HasKnobs)}
        self.index = 0
        self.asked = False  # whether this preset was named
        self.options = Options(cab=cab)
        self.notes: list[str] = []
        self.digest = ""  # of the last plan: which kernels it calls
        self.replaced: tuple[str, ...] = ()  # of the last plan: a line for each kernel that is wrong on this processor
        self._begin()

    def _begin(self) -> None:
        """Set up what no copy shares: the state between calls."""
        self._turn = threading.RLock()
        _rigs.add(self)
        self._calling = Calling()
        self._rendering: Offline | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name not in ("_turn", "_calling", "_rendering")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._begin()

    @classmethod
    def from_yaml(
        cls,
        path: str | Path,
        preset: str | int | None = None,
        inputs: str | None = None,
    ) -> Rig:
        """Return the rig of a set list; `preset` is a name or a number from 1, the others as for a rig.

        Raises
        ------
        PresetError
            Names file, line, key and what is allowed.
        """
        rig = cls(inputs=inputs)
        rig.set_list = load_set_list(find_preset(path), BLOCKS)
        rig._held = {}
        rig.index, rig.asked = rig.set_list.index(preset), preset is not None
        return rig

    @property
    def presets(self) -> tuple[Preset, ...]:
        """All presets."""
        return self.set_list.presets

    @property
    def preset(self) -> Preset:
        """The current preset."""
        return self.presets[self.index]

    @property
    def sample_rate(self) -> float | None:
        """The rate the rig was made for, in Hz: the set list's, else the one most models share."""
        stated = self.set_list.device.get("sample_rate")
        return float(stated) if stated else common_rate(self.specs)

    @property
    def specs(self) -> list[ModelSpec]:
        """Every model that the presets play, once per use."""
        return models_of(self.presets, self._models)

    def plan(
        self, sample_rate: float, channels: int = 1, *, values: Mapping[str, Any] | None = None, **how: Any
    ) -> Plan:
        """Return the current preset compiled for a rate in Hz and a number of input channels.

        Parameters
        ----------
        values : mapping, optional
            Parameter values by address.
        **how
            Options in place of the rig's own: ``bare``, ``cold``, ``cab``, ``level`` ("normal", "plugin", "none" or a
            plugin that ``rtfx info`` names), ``rate_method`` ("auto", "delay", "dilate" or "resample"),
            ``resample_phase`` ("linear" or "minimum"), ``interface_dbu``; as the flags of the command line.
        """
        return self._plan(sample_rate, channels, self.options.but(**how), values or {})

    def _plan(self, sample_rate: float, channels: int, options: Options, values: Mapping[str, Any]) -> Plan:
        with self._turn:
            blocks, _, self.notes = chain(self._current(), sample_rate, self._models, options, values)
            turned = [block for block in blocks if not block.effect.idle(block.values)]
            plan = plan_chain(turned, sample_rate, channels)
            self.digest = plan.digest
            self.replaced = plan.replaced
            self.notes += plan.replaced
        return plan

    def _current(self) -> Preset:
        """Return the preset with the weights and knobs of the models that the caller holds, as they are now."""
        if not self._held:
            return self.preset
        return replace(self.preset, chain=tuple(self._as_held(block) for block in self.preset.chain))

    def _as_held(self, block: BlockSpec) -> BlockSpec:
        model = self._held.get(block.id)
        if model is None:
            return block
        weights = None if model.spec is block.file else model.spec
        return replace(block, weights=weights, values={**block.values, **model.knobs})

    def __call__(
        self, x: ArrayLike, sample_rate: float, reset: bool = True, bare: bool = False, cold: bool = False
    ) -> NDArray[np.float32]:
        """Return the rig's output for audio; as `Model.__call__`.

        Raises
        ------
        UnsupportedInput
            More than 32 channels: ``(n, channels)`` in place of ``(channels, n)``.
        UsageError
            ``reset=False`` at another rate than the rig's.
        """
        audio = planar(x)
        options = replace(self.options, bare=bare or self.options.bare, cold=cold or self.options.cold)
        asked = Asked(self.sample_rate or sample_rate, len(audio), options)
        with self._turn:
            offline = self._calling.offline
            if reset or offline is None:
                offline = self._begin_call(asked)
            elif asked != self._calling.asked or asked.rate != sample_rate:
                before = self._calling.asked
                raise UsageError(
                    f"reset=False continues a call at {before.rate:g} Hz with {before.channels} channels, found "
                    f"{sample_rate:g} Hz with {asked.channels}: convert first, or use reset=True"
                )
            else:
                self._go_on(offline, asked)
            outputs = offline.plan.outputs
            blocks = at_rate([audio.T], offline.process, sample_rate, asked.rate, asked.channels, outputs)
            result = np.ascontiguousarray(np.concatenate(list(blocks)).T)
        return result[0] if np.ndim(x) == 1 and outputs == 1 else result

    def _begin_call(self, asked: Asked) -> Offline:
        """Return what plays a call from rest: that of the last call if nothing has changed."""
        chain = [(block.file, block.weights, dict(block.values)) for block in self._current().chain]
        last = self._calling
        if last.offline is not None and (asked, chain) == (last.asked, last.chain):
            last.offline.reset()
            return last.offline
        plan = self._plan(asked.rate, asked.channels, asked.options, {})
        offline = Offline(plan, asked.options.cold, limiter=self._limits(asked.options))
        self._calling = Calling(offline, asked, chain, [weights for _, weights, _ in chain])
        return offline

    def _go_on(self, offline: Offline, asked: Asked) -> None:
        """Take over weights that have changed since the last call."""
        weights = [block.weights for block in self._current().chain]
        if weights != self._calling.weights:
            offline.update(self._plan(asked.rate, asked.channels, asked.options, {}))
            self._calling = Calling(offline, asked, [], weights)  # a call that resets must prewarm with these weights

    def forget(self) -> None:
        """Have the next call begin anew."""
        with self._turn:
            self._calling = Calling()

    def _limits(self, options: Options) -> bool:
        """Tell whether the output is kept within 0 dBFS."""
        return bool(self.set_list.globals.get("limiter", True)) and not options.bare

    def stream_blocks(
        self,
        blocks: Iterable[np.ndarray],
        sample_rate: float,
        channels: int,
        *,
        align: bool = True,
        model_rate: float | None = None,
        block: int = BLOCK_FRAMES,
        in_gain_db: float = 0.0,
        out_gain_db: float = 0.0,
        values: Mapping[str, Any] | None = None,
        **how: Any,
    ) -> tuple[Iterator[np.ndarray], int]:
        """Render a stream of blocks in constant memory.

        Parameters
        ----------
        blocks : iterable of (frames, channels) float32
        align : bool
            Remove the rig's latency at the front and let it ring out at the end; False: the stream as it is live.
        model_rate : float, optional
            Overrides the rate the models were made for, in Hz.
        values, **how
            As `plan`.

        Returns
        -------
        iterator of (frames, outputs) float32, and the number of output channels
        """
        rate = model_rate or self.sample_rate or sample_rate
        options = self.options.but(**how)
        plan = self._plan(rate, channels, options, values or {})
        limits = self._limits(options)
        offline = self._rendering = Offline(plan, options.cold, limits, block, in_gain_db, out_gain_db)
        skip, tail = (plan.latency_frames, plan.tail_frames) if align and not options.bare else (0, 0)
        return at_rate(blocks, offline.process, sample_rate, rate, channels, plan.outputs, skip, tail), plan.outputs

    @property
    def non_finite_blocks(self) -> int:
        """Blocks of the last `render` that a model filled with NaN or infinity; they were muted."""
        return self._rendering.non_finite_blocks if self._rendering else 0

    def render(
        self, src: str | Path, dst: str | Path, *, encoding: str = "PCM_24", mono: bool = False, **settings: Any
    ) -> Rendered:
        """Render a file; an existing one is replaced when the new one is complete.

        Parameters
        ----------
        src, dst : path
            The file to read, and the one to write.
        encoding : str
            PCM_16, PCM_24 or FLOAT.
        mono : bool
            Average the input's channels first.
        **settings
            As `stream_blocks`.

        Raises
        ------
        AudioFileError
            One of the two cannot be used.
        """
        process = partial(self.stream_blocks, **settings)
        return render_file(process, src, dst, encoding, mono, overwrite=True)

    def play(
        self,
        device: str | int | None = None,
        input_device: str | int | None = None,
        output_device: str | int | None = None,
        input: str | Path | np.ndarray | None = None,
        in_channel: int | str | Sequence[int] | None = None,
        sample_rate: float | None = None,
        block_size: int = 0,
        record: str | Path | None = None,
        seconds: float | None = None,
        say: Callable[[str], object] | None = print,
        **more: Any,
    ) -> Stream:
        """Open a stream; it is already running when this returns.

        Parameters
        ----------
        device, input_device, output_device : str, int or None
            Index or part of a name; "null" is the built-in device without hardware.
        input : path or array, optional
            Plays in place of the device's input; an array is ``(n,)`` or ``(channels, n)`` at the stream's rate.
        in_channel : int, str or sequence of int, optional
            Device channel of the guitar, from 1, or two for stereo (``"1,2"``); by default the one remembered for this
            device, else 1. Of `input` those channels alone; by default all of them, each through models of its own.
        sample_rate : float, optional
            Hz; by default the set list's, else the models' if the device runs at it, else the device's.
        block_size : int
            Frames; 0 lets the device choose, which is the lowest latency (the null device uses 64).
        record : path, optional
            A WAV or FLAC file that gets the rig's own channels from the first frame.
        seconds : float, optional
            Ends after ``round(seconds * sample_rate)`` frames.
        say : callable, optional
            Gets a line if there is no sound device, and while the end waits for a slow disk.
        **more
            Further settings: those of `live.settings.StreamSettings`, and options as for `plan`.

        Returns
        -------
        Stream : ends with its ``with`` block, an interrupt, or when it is deleted.

        Raises
        ------
        RtfxError
            A device, a file, a number or a setting that cannot be used.
        """
        asked = StreamSettings.of(
            self.options,
            device=device,
            input_device=input_device,
            output_device=output_device,
            input=input,
            in_channel=in_channel,
            sample_rate=sample_rate,
            block_size=block_size,
            record=record,
            seconds=seconds,
            **more,
        )
        presets = [self._current() if i == self.index else p for i, p in enumerate(self.presets)]
        rate, fixed = self.sample_rate, self.asked or len(presets) == 1
        stream = open_stream(presets, self.index, self._models, self.set_list, rate, asked, fixed)
        for block, model in self._held.items():
            model.heard_in(stream, self.index, block)
        end_when_interrupted(stream)
        if say:
            stream.takes.say = say
            if stream.recorder:
                stream.recorder.say = say
        if stream.unheard and say:
            say("there is no sound device, so this is silent: stream.audio is what was played, as a player")
        return stream

    def _repr_html_(self) -> str:
        return rig_table(self.presets, self.index)

    def __repr__(self) -> str:
        blocks = ", ".join(block.id for block in self.preset.chain)
        return f"<rtfx.Rig {self.preset.name}, {self.index + 1} of {len(self.presets)}: {blocks}>"


def _renew() -> None:
    """Begin anew where a thread was in the middle of a call that did not come along into a forked process."""
    for rig in list(_rigs):
        if rig._turn.acquire(blocking=False):
            rig._turn.release()
        else:
            rig._begin()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew)
