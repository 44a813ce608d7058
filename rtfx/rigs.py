"""A rig: a chain of blocks, or the presets of a set list, as a function of arrays, a file renderer, a live stream."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .effects.table import BLOCKS
from .engine.offline import BLOCK_FRAMES, Offline
from .errors import UsageError
from .find import find_preset
from .host.render import Rendered, at_rate, render_file
from .live.held_models import Owned
from .live.interrupt import end_when_interrupted
from .live.open import open_stream
from .live.settings import StreamSettings
from .live.stream import Stream
from .loading.load import chain
from .model.spec import ModelSpec
from .notebook.html import rig_table
from .plan.chain import Plan, plan_chain
from .plan.resolve import Models, Options, common_rate, models_of
from .rig.blocks import blocks_of
from .rig.set_list import Preset, SetList, load_set_list
from .rig_calls import Calls

_rigs: weakref.WeakSet[Rig] = weakref.WeakSet()


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
        self._owned = Owned(self.presets[0].chain, items)
        self.index = 0
        self.asked = False  # for this preset, by name or number
        self.cab = cab
        self.notes: list[str] = []
        self.digest = ""  # of the last plan: which kernels it calls
        self.replaced: tuple[str, ...] = ()  # of the last plan: what is to be said of kernels that are wrong here
        self._begin()

    def _begin(self) -> None:
        """Set up what no copy shares: the state between calls."""
        self._turn = threading.RLock()
        _rigs.add(self)
        self._calls = Calls(self._current, self.plan, self._limits, self._turn)
        self._rendering: Offline | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name not in ("_turn", "_calls", "_rendering")}

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
        rig._owned = Owned()
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
        self,
        sample_rate: float,
        channels: int = 1,
        *,
        bare: bool = False,
        level: str | None = None,
        rate_method: str = "auto",
        resample_phase: str = "linear",
        interface_dbu: float | None = None,
        values: Mapping[str, float] | None = None,
    ) -> Plan:
        """Return the current preset compiled for a rate in Hz and a number of input channels.

        Parameters
        ----------
        level : str, optional
            The level of every model: "normal", "plugin", "none" or the name of one of its plugins; None: the preset's.
        rate_method : str
            How a model runs whose rate is not the rig's: one of `plan.rates.METHODS`.
        resample_phase : str
            Of the filters where it is resampled: one of `plan.resampling.PHASES`.
        interface_dbu : float, optional
            The level in dBu that the recording's interface turned into full scale, for models that state theirs.
        values : mapping, optional
            Parameter values by address.
        """
        options = Options(bare, self.cab, level, rate_method, interface_dbu, resample_phase)
        with self._turn:
            blocks, _, self.notes = chain(self._current(), sample_rate, self._models, options, values or {})
            turned = [block for block in blocks if not block.effect.idle(block.values)]
            plan = plan_chain(turned, sample_rate, channels)
            self.digest = plan.digest
            self.replaced = plan.replaced
            self.notes += plan.replaced
        return plan

    def _current(self) -> Preset:
        """Return the preset with the models that the caller holds as they are now."""
        return self._owned.current(self.preset)

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
        return self._calls(x, sample_rate, self.sample_rate or sample_rate, reset, bare, cold)

    def forget(self) -> None:
        """Have the next call begin anew."""
        self._calls.forget()

    def _limits(self, bare: bool) -> bool:
        """Tell whether the output is kept within 0 dBFS."""
        return bool(self.set_list.globals.get("limiter", True)) and not bare

    def stream_blocks(
        self,
        blocks: Iterable[np.ndarray],
        sample_rate: float,
        channels: int,
        *,
        bare: bool = False,
        cold: bool = False,
        align: bool = True,
        model_rate: float | None = None,
        block: int = BLOCK_FRAMES,
        in_gain_db: float = 0.0,
        out_gain_db: float = 0.0,
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
        **how
            As `plan`.

        Returns
        -------
        iterator of (frames, outputs) float32, and the number of output channels
        """
        rate = model_rate or self.sample_rate or sample_rate
        plan = self.plan(rate, channels, bare=bare, **how)
        offline = self._rendering = Offline(plan, cold, self._limits(bare), block, in_gain_db, out_gain_db)
        skip, tail = (plan.latency_frames, plan.tail_frames) if align and not bare else (0, 0)
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
            Is told if no device was found, so that nobody hears it, and while the end waits for a slow disk.
        **more
            Further settings: those of `live.settings.StreamSettings`.

        Returns
        -------
        Stream : ends with its ``with`` block, an interrupt, or when it is deleted.

        Raises
        ------
        RtfxError
            A device, a file, a number or a setting that cannot be used.
        """
        asked = StreamSettings.of(
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
        stream = open_stream(presets, self.index, self._models, self.set_list, self.cab, rate, asked, fixed)
        self._owned.heard_in(stream, self.index)
        end_when_interrupted(stream)
        if say:
            stream.takes.say = say
            if stream.recorder:
                stream.recorder.say = say
        if stream.unheard and say:
            say("nobody can hear this, there is no sound device: stream.audio is what was played, to be embedded")
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
