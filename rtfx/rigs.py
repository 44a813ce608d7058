"""A rig is a chain of blocks or the presets of a set list; it processes arrays, renders files and plays live."""

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
from .errors import UsageError, did_you_mean
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
from .plan.resolve import DEFAULT_RATE, Models, common_rate, mistakes, models_of, parameters_of
from .rig.blocks import BlockSpec, HasKnobs, blocks_of
from .rig.parameters import ON, Options
from .rig.presets import Preset, SetList
from .rig.set_list import load_set_list

_rigs: weakref.WeakSet[Rig] = weakref.WeakSet()


class Asked(NamedTuple):
    """The settings that a call is compiled for: the rig's rate in Hz, the number of input channels, and the options."""

    rate: float
    channels: int
    options: Options


class Calling(NamedTuple):
    """The state that one call keeps for the next one.

    Parameters
    ----------
    offline : Offline or None
        The compiled rig with its state; None if the next call starts from rest.
    chain : list
        The file, weights and values of each block at the time when the rig was prewarmed.
    weights : list
        The weights of each block now, which differ from those of the file once a model has learned.
    """

    offline: Offline | None = None
    asked: Asked = Asked(0.0, 0, Options())
    chain: list[tuple[Any, ...]] = []
    weights: list[Any] = []


class Block:
    """A block of a rig. Its parameters are attributes, in their own units.

    ``rig.blocks["eq"].bell1_db = 3.0`` sets one, and `AttributeError` or `UsageError` says what is allowed.
    """

    def __init__(self, rig: Rig, id: str):
        object.__setattr__(self, "_rig", rig)
        object.__setattr__(self, "id", id)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        value = self._rig._get(self.id, name)
        return bool(value) if name == ON.name else value

    def __setattr__(self, name: str, value: Any) -> None:
        self._rig._set(self.id, name, value)

    def __repr__(self) -> str:
        return f"<block {self.id} of {self._rig!r}>"


class Rig:
    """A chain of blocks, or the presets of a set list.

    Parameters
    ----------
    chain : iterable
        Each block is a `Model`, the path of a model or impulse response, or a mapping as in a set list:
        ``{"type": "gate", ...}``.
    cab : str, optional
        The impulse response of the cabinet at the end of the chain, or "none"; by default an amp gets the shipped one.
    inputs : str, optional
        "channels" or "knobs": how models with several inputs use them. It overrides what files and blocks say.

    A rig may be used from any thread: a lock lets one call run at a time. A pickle or a copy keeps the models, their
    knobs and the weights they have learned; it starts from rest.
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
        blocks, given = blocks_of(items, BLOCKS)
        self.set_list = SetList(Path("rig"), presets=(Preset("rig", tuple(blocks)),))
        self._held = {b.id: item for b, item in zip(blocks, given, strict=True) if isinstance(item, HasKnobs)}
        self.index = 0
        self.asked = False  # whether the user named this preset
        self.options = Options(cab=cab)
        self.notes: list[str] = []
        self.digest = ""  # identifies the kernels that the last plan calls
        self.replaced: tuple[str, ...] = ()  # a line for each kernel of the last plan that is wrong on this processor
        self._begin()

    def _begin(self) -> None:
        """Set up the state between calls, which a copy does not share."""
        self._turn = threading.RLock()
        self._streams: weakref.WeakSet[Stream] = weakref.WeakSet()
        _rigs.add(self)
        self._calling = Calling()
        self._rendering: Offline | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {
            name: value
            for name, value in vars(self).items()
            if name not in ("_turn", "_streams", "_calling", "_rendering")
        }

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
        """Return the rig of a set list.

        Parameters
        ----------
        path : str or Path
            The path of a set list, or the name of one in the user's folder or among the shipped ones.
        preset : str or int, optional
            The preset to play: its name, or its number from 1. By default the first one.
        inputs : str, optional
            "channels" or "knobs": how models with several inputs use them, as for `Rig`.

        Returns
        -------
        Rig

        Raises
        ------
        PresetError
            The set list does not exist or contains a mistake; the message names file, line, key and the allowed values.
        UsageError
            The set list has no such preset; the message lists the presets.
        """
        rig = cls(inputs=inputs)
        rig.set_list = load_set_list(find_preset(path), BLOCKS)
        rig._held = {}
        rig.index, rig.asked = rig.set_list.index(preset), preset is not None
        return rig

    @property
    def presets(self) -> tuple[Preset, ...]:
        """All presets, in the order of the set list."""
        return self.set_list.presets

    @property
    def preset(self) -> Preset:
        """The preset that calls, `render` and `play` use."""
        return self.presets[self.index]

    @property
    def sample_rate(self) -> float | None:
        """The rate the rig was made for, in Hz: the set list's, else the rate that most models share, else None."""
        stated = self.set_list.device.get("sample_rate")
        return float(stated) if stated else common_rate(self.specs)

    @property
    def specs(self) -> list[ModelSpec]:
        """Every model that the presets play; a model that is used twice is listed twice."""
        return models_of(self.presets, self._models)

    @property
    def blocks(self) -> Mapping[str, Block]:
        """The blocks of the current preset by id; their parameters are attributes: ``rig.blocks["amp"].on = False``.

        A change reaches calls, renders and streams that begin later, and every stream that plays this preset now.
        """
        return {block.id: Block(self, block.id) for block in self.preset.chain}

    def _set(self, block_id: str, name: str, value: Any) -> None:
        """Set a parameter of a block of the current preset, if it has one of this name and the value fits."""
        preset = self.preset
        chain = [replace(b, values={**b.values, name: value}) if b.id == block_id else b for b in preset.chain]
        changed = replace(preset, chain=tuple(chain))
        (block,) = (each for each in chain if each.id == block_id)
        for mistake in mistakes(changed, block, self.sample_rate or DEFAULT_RATE, self._models):
            raise UsageError(str(mistake))
        presets = tuple(changed if place == self.index else one for place, one in enumerate(self.presets))
        self.set_list = replace(self.set_list, presets=presets)
        for stream in list(self._streams):
            if stream.active and stream.presets[stream.preset] == preset.name:
                stream.set(f"{block_id}.{name}", value)

    def _get(self, block_id: str, name: str) -> Any:
        """Return the value of a parameter of a block of the current preset."""
        block = self.preset.block(block_id)
        assert block is not None
        table = {parameter.name: parameter for parameter in parameters_of(block, DEFAULT_RATE, self._models)}
        if name not in table:
            raise AttributeError(f"{block_id} has no parameter {name!r}{did_you_mean(name, table)}: {', '.join(table)}")
        return table[name].check(block.values.get(name, table[name].default))

    def plan(
        self,
        sample_rate: float,
        channels: int = 1,
        *,
        values: Mapping[str, Any] | None = None,
        every: bool = False,
        **how: Any,
    ) -> Plan:
        """Return the current preset compiled for a sample rate and a number of input channels.

        Parameters
        ----------
        sample_rate : float
            Hz.
        channels : int
            Number of input channels.
        values : mapping, optional
            Parameter values by address, ``block.parameter``.
        every : bool
            Plan also the blocks that change nothing at these values, as a stream does, in which they can be turned.
        **how
            Options in place of the rig's own: ``bare``, ``cold``, ``cab``, ``level`` ("normal", "plugin", "none" or a
            plugin that ``rtfx info`` names), ``rate_method`` ("auto", "delay", "dilate" or "resample"),
            ``resample_phase`` ("linear" or "minimum"), ``interface_dbu``; as the flags of the command line.

        Returns
        -------
        Plan
            The layout and the kernels of the compiled rig.

        Raises
        ------
        RtfxError
            A file, a value or an option cannot be used.
        """
        return self._plan(sample_rate, channels, self.options.but(**how), values or {}, every)

    def _plan(
        self, sample_rate: float, channels: int, options: Options, values: Mapping[str, Any], every: bool = False
    ) -> Plan:
        with self._turn:
            whole = self.set_list.whole(self._current())
            blocks, _, self.notes = chain(whole, sample_rate, self._models, options, values)
            keys = {block.key for block in blocks}
            turned = [b for b in blocks if every or b.id in keys or not b.effect.idle(b.values)]
            plan = plan_chain(turned, sample_rate, channels)
            self.digest = plan.digest
            self.replaced = plan.replaced
            self.notes += [*plan.notes, *plan.replaced]
        return plan

    def _current(self) -> Preset:
        """Return the preset with the present weights and knobs of the `Model` objects that the caller passed."""
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
        """Return the rig's output for audio; calls of one rig run one after the other. [any thread]

        Parameters
        ----------
        x, sample_rate, reset, bare, cold
            As for `Model.__call__`; each channel of `x` goes through models of its own.

        Returns
        -------
        float32 array of the same layout and length
            A rig with several outputs returns ``(outputs, n)``.

        Raises
        ------
        UnsupportedInput
            More than 32 channels: the array is probably ``(n, channels)`` and must be transposed to ``(channels, n)``.
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
        """Return a compiled rig at rest; the one of the last call is used again if nothing has changed."""
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
        """Give the compiled rig the weights that have changed since the last call."""
        weights = [block.weights for block in self._current().chain]
        if weights != self._calling.weights:
            offline.update(self._plan(asked.rate, asked.channels, asked.options, {}))
            self._calling = Calling(offline, asked, [], weights)  # a call that resets must prewarm with these weights

    def forget(self) -> None:
        """Discard the state of calls, so that the next call starts from rest, even with ``reset=False``. [any thread]

        The rig's chain, its knobs and learned weights stay. `Model.reset` calls it.
        """
        with self._turn:
            self._calling = Calling()

    def _limits(self, options: Options) -> bool:
        """Return whether a limiter keeps the output within 0 dBFS."""
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
        """Render blocks one after the other, in constant memory.

        Parameters
        ----------
        blocks : iterable of (frames, channels) float32
            The input, with full scale at 1. Blocks may differ in length.
        sample_rate : float
            Rate of the input and the output, in Hz.
        channels : int
            Number of input channels.
        align : bool
            Remove the rig's latency at the front and render its tail at the end; False: keep the timing of live audio.
        model_rate : float, optional
            Rate that the models were made for, in Hz; it overrides the rate in their files.
        block : int
            Frames that the engine processes at a time.
        in_gain_db, out_gain_db : float
            Gain before and after the rig, in dB.
        values, **how
            As for `plan`.

        Returns
        -------
        iterator of (frames, outputs) float32, and the number of output channels

        Raises
        ------
        RtfxError
            A file, a value or an option cannot be used.
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
        """Number of blocks of the last `render` in which a model made NaN or infinity; these blocks were muted."""
        return self._rendering.non_finite_blocks if self._rendering else 0

    def render(
        self,
        src: str | Path,
        dst: str | Path,
        *,
        encoding: str = "PCM_24",
        mono: bool = False,
        lufs: float | None = None,
        **settings: Any,
    ) -> Rendered:
        """Render an audio file; an existing target is replaced once the new file is complete.

        Parameters
        ----------
        src, dst : path
            The file to read and the file to write; ``-`` is WAV on standard input or output.
        encoding : str
            "PCM_16", "PCM_24" or "FLOAT".
        mono : bool
            Average the channels of the input before the rig.
        lufs : float, optional
            Bring the output to this loudness by one gain, or as near as a true peak of -1 dBTP allows.
        **settings
            As for `stream_blocks`.

        Returns
        -------
        Rendered
            The number of frames, their rate in Hz, warnings about the source, and with `lufs` the levels that came out.

        Raises
        ------
        AudioFileError
            The source or the target cannot be used.
        RtfxError
            A model, a value or an option cannot be used.
        """
        process = partial(self.stream_blocks, **settings)
        return render_file(process, src, dst, encoding, mono, overwrite=True, lufs=lufs)

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
            An index or a part of a name; "null" is the built-in device without hardware. By default the devices named
            last, else the system's.
        input : path or array, optional
            A file or an array that plays in place of the device's input; an array is ``(n,)`` or ``(channels, n)`` at
            the stream's rate.
        in_channel : int, str or sequence of int, optional
            The device channel of the guitar, from 1, or two channels for stereo (``"1,2"``); by default the channel
            used last with this device, else 1. With `input` it selects channels of the file or array; by default all
            of them play, each through models of its own.
        sample_rate : float, optional
            Hz; by default the set list's, else the models' if the device runs at it, else the device's.
        block_size : int
            Frames per block; 0 lets the device choose, which gives the lowest latency (the null device uses 64).
        record : path, optional
            A WAV or FLAC file to which the rig's output channels are written from the first frame on.
        seconds : float, optional
            Length of the stream: it ends after ``round(seconds * sample_rate)`` frames. By default it does not end.
        say : callable, optional
            Called with a line of text if there is no sound device, and while `Stream.close` waits for a slow disk.
        **more
            Further settings: those of `live.settings.StreamSettings`, and options as for `plan`.

        Returns
        -------
        Stream
            It ends with its ``with`` block, at an interrupt, or when it is deleted.

        Raises
        ------
        RtfxError
            A device, a file, a number or a setting cannot be used.
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
        self._streams.add(stream)
        for block, model in self._held.items():
            model.link_to(stream, self.preset.name, block)
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
    """Reset, in a forked process, every rig that a thread of the parent process was using when it forked."""
    for rig in list(_rigs):
        if rig._turn.acquire(blocking=False):
            rig._turn.release()
        else:
            rig._begin()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew)
