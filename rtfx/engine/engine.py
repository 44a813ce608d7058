"""The control thread's side of the engine: it publishes rigs, frees finished ones and reads meters and counters."""

from __future__ import annotations

import contextlib
import math
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from ..effects.limiter import release_factor
from ..kernels.compile_workers import order
from ..kernels.kernel import Loop
from ..kernels.memory import load_acquire, store_release
from ..plan.arena import CONTINUES, allocate
from .engine_rig import EXCHANGE, EngineRig
from .layout import ENGINE, LOAD_BIN_OFFSET, LOAD_BIN_SHIFT, LOUDEST_SAMPLE, OFFSET, RETIRE_RING
from .process import CALLBACK_KERNEL, DRIVE, FINISH
from .rings import Rings
from .run_rig import RUN_RIG
from .system import ticks_are_steady
from .voices import PLAY_SLOTS

FADE_SECONDS, QUICK_SECONDS = 0.020, 0.005
START_SECONDS, STOP_SECONDS = 0.300, 0.020
PUBLISHED_KEPT = 1024  # rigs that are remembered, as the audio thread may still log their numbers


def _load(address):
    """Read an int64 with acquire. [control thread]"""
    return load_acquire(address)


def _store(address, value):
    """Write an int64 with release. [control thread]"""
    store_release(address, value)
    return 0


LOAD = Loop(_load, "int64(int64)")
STORE = Loop(_store, "int64(int64, int64)")


def order_kernels() -> None:
    """Start to compile the kernels of every engine that are not on disk, and return at once. [control thread]"""
    order((CALLBACK_KERNEL, FINISH, RUN_RIG, PLAY_SLOTS, DRIVE, EXCHANGE, LOAD))


class Published(NamedTuple):
    """Entry about one published rig, kept after the rig is freed, as recorded takes refer to it.

    Parameters
    ----------
    number : int
        The rig's number in the log, from 1.
    origin, tables
        Those of its `EngineRig`.
    continues : bool
        The rig was published to continue from the state of the playing rig.
    """

    number: int
    origin: Any
    tables: deque
    continues: bool


class Engine:
    """The memory of one running engine. All methods are for the control thread unless they say otherwise.

    Parameters
    ----------
    sample_rate : float
        Hz; it never changes.
    inputs, outputs : int
        Number of input rows of the rigs, and of output rows that are mixed from them.
    device_inputs, device_outputs : int
        Channels of the device's interleaved blocks; 0: none.
    source : (frames, channels) float32, optional
        Audio that replaces the device's input.
    loops : bool
        The source starts again at its end.
    ring_frames : int
        How many of the last input and output frames are kept; 0: none.
    live : bool
        Fade in over 300 ms at the start.
    limiter : bool
        Keep the output within 0 dBFS.
    in_gain, out_gain : float
        Linear gains before and after the rig.
    muted : bool
        Start with a silent output.
    loudest : float
        Largest allowed magnitude of an input sample, linear; a sample above it is replaced by 0.
    out_channels : tuple of int
        One or two channels of the device, from 1, that get the output rows; all others stay silent. By default every
        channel gets a row; if there is only one row, every channel gets that one.
    """

    def __init__(
        self,
        sample_rate: float,
        inputs: int = 1,
        outputs: int = 1,
        device_inputs: int = 1,
        device_outputs: int = 1,
        source: np.ndarray | None = None,
        loops: bool = False,
        ring_frames: int = 0,
        live: bool = True,
        limiter: bool = True,
        in_gain: float = 1.0,
        out_gain: float = 1.0,
        muted: bool = False,
        loudest: float = LOUDEST_SAMPLE,
        out_channels: tuple[int, ...] = (),
    ):
        self.memory = allocate(ENGINE.itemsize)
        self.address = self.memory.ctypes.data
        self.record = self.memory.view(ENGINE)[0]
        e = self.record
        for name, kernel in (("run_rig", RUN_RIG), ("play_slots", PLAY_SLOTS), ("finish", FINISH)):
            e[name] = kernel.address
        e["sample_rate"], e["inputs"], e["outputs"] = sample_rate, inputs, outputs
        e["loudest"] = loudest
        e["device_inputs"], e["device_outputs"] = device_inputs, device_outputs
        e["in_step"] = 1
        e["out_channel"], e["out_step"] = _map(out_channels or (1,))
        e["out_count"] = len(out_channels)
        self._everywhere = not out_channels
        self._fill_outputs()
        self.rings = Rings(e, ring_frames) if ring_frames else None
        self.source = None
        if source is not None:
            self.source = np.ascontiguousarray(source, np.float32)
            e["source"], (e["source_frames"], e["source_channels"]) = self.source.ctypes.data, self.source.shape
            e["source_loops"] = int(loops)
        e["fade_frames"] = max(round(FADE_SECONDS * sample_rate), 1)
        e["quick_frames"] = max(round(QUICK_SECONDS * sample_rate), 1)
        e["start_frames"] = round(START_SECONDS * sample_rate) if live else 0
        e["stop_frames"] = round(STOP_SECONDS * sample_rate)
        e["stop_frame"], e["fault_block"] = -1, -1
        e["steady_ticks"] = int(ticks_are_steady())
        e["limit"], e["limiter_release"] = int(limiter), release_factor(sample_rate)
        for name, value in (("in_gain", in_gain), ("out_gain", out_gain), ("wet", 1.0), ("open", float(not muted))):
            for field in ("target", "goal", "value"):
                e[name][field] = value
        self.rigs: dict[int, EngineRig] = {}
        self.shared: tuple[EngineRig | None, EngineRig | None] = (None, None)
        self.published: deque[Published] = deque(maxlen=PUBLISHED_KEPT)
        self._number = 0
        self.on_free: Callable[[EngineRig], object] | None = None
        self.poison = False
        self.graveyard: list[EngineRig] = []

    def share(self, before: EngineRig | None, after: EngineRig | None) -> None:
        """Let a rig process the input of all presets, and one their output, for as long as the engine runs.

        They never restart. This must be called before the stream starts. [control thread]

        Parameters
        ----------
        before : EngineRig, optional
            With as many inputs and outputs as the rigs have inputs.
        after : EngineRig, optional
            With as many inputs and outputs as rows are mixed.
        """
        self.shared = (before, after)
        for name, rig in zip(("before", "after"), self.shared, strict=True):
            self.record[name] = rig.address if rig else 0

    def publish(self, rig: EngineRig, continues: bool = False) -> None:
        """Offer a rig; the audio thread takes it at the next block. An earlier offer not yet taken is dropped.

        With `continues`, the rig starts with the state of the playing rig if both have the same layout. The audio
        thread then takes it only when no fade is in progress: so at most two rigs run at a time, however often a
        training publishes. [control thread]
        """
        self.rigs[rig.address] = rig
        self._number = rig.record["number"] = self._number + 1
        if self.rings:
            self.published.append(Published(self._number, rig.origin, rig.tables, continues))
        dropped = EXCHANGE(self.address + OFFSET["pending"], rig.address | (CONTINUES if continues else 0))
        if dropped:
            self._free(dropped & ~CONTINUES)
        self.reclaim()

    def offers(self, rig: EngineRig) -> bool:
        """Return whether a rig that was published without `continues` has not been taken yet. [control thread]"""
        return LOAD(self.address + OFFSET["pending"]) == rig.address

    def reclaim(self) -> int:
        """Free every rig that the audio thread has handed back; return their number. [control thread]"""
        freed = 0
        while self.record["retire_tail"] != LOAD(self.address + OFFSET["retire_head"]):
            tail = int(self.record["retire_tail"])
            self._free(LOAD(self.address + OFFSET["retire_ring"] + 8 * (tail % RETIRE_RING)))
            STORE(self.address + OFFSET["retire_tail"], tail + 1)
            freed += 1
        return freed

    def _free(self, address: int) -> None:
        rig = self.rigs.pop(address)
        if self.on_free:
            self.on_free(rig)
        if self.poison:
            rig.memory[:] = 0xFF  # any further use crashes or plays NaN
            self.graveyard = [*self.graveyard[-7:], rig]

    def glide(self, name: str, value: float) -> None:
        """Move `in_gain`, `out_gain`, `wet` or `open` to a linear value within 20 ms. [control thread]"""
        self.record[name]["target"] = value

    @contextlib.contextmanager
    def muted(self) -> Iterator[None]:
        """Mute the output inside the `with` block; afterwards restore the former state. [control thread]"""
        before = float(self.record["open"]["target"])
        self.glide("open", 0.0)
        try:
            yield
        finally:
            self.glide("open", before)

    def prepare_for(self, device_inputs: int, device_outputs: int) -> None:
        """Prepare the engine for another device, which will call the callback from another thread and fade in.

        Call this only while no device calls the callback. [control thread]

        Parameters
        ----------
        device_inputs, device_outputs : int
            Channels of the new device.
        """
        e = self.record
        e["device_inputs"], e["device_outputs"] = device_inputs, device_outputs
        self._fill_outputs()
        if not e["source"]:
            e["in_channel"] = min(int(e["in_channel"]), max(device_inputs - 1, 0))
        e["open"]["goal"] = e["open"]["value"] = 0.0
        e["open"]["left"] = e["thread"] = e["largest_block"] = 0

    def read_from(self, channels: tuple[int, ...]) -> None:
        """Set which one or two channels of the device, from 1, feed the rig. [control thread]"""
        self.record["in_step"] = _map(channels)[1]
        self.record["in_channel"] = _map(channels)[0]

    def _fill_outputs(self) -> None:
        """Send output to every channel of the device, unless the caller chose `out_channels`."""
        if self._everywhere:
            self.record["out_count"] = self.record["device_outputs"]

    def stop_at(self, frame: int) -> None:
        """Fade the output out so that it is silent from this stream frame on. [control thread]"""
        STORE(self.address + OFFSET["stop_frame"], frame)

    def stop_soon(self) -> int:
        """Start the stop fade; return the stream frame at which it ends. An earlier stop is kept. [control thread]"""
        frame = int(self.record["clock"]) + 2 * int(self.record["largest_block"]) + int(self.record["stop_frames"])
        planned = int(self.record["stop_frame"])
        if planned < 0 or frame < planned:
            self.stop_at(frame)
            return frame
        return planned

    @property
    def clock(self) -> int:
        """Frames processed so far. [control thread]"""
        return LOAD(self.address + OFFSET["clock"])

    def drive(self, x: np.ndarray, block: int) -> np.ndarray:
        """Run the compiled callback on interleaved frames, block by block, faster than real time. [control thread]

        Parameters
        ----------
        x : (frames, device_inputs) float32
        block : int
            Frames per callback.

        Returns
        -------
        (frames, device_outputs) float32
        """
        x = np.ascontiguousarray(x, np.float32)
        e = self.record
        y = np.zeros((x.shape[0], int(e["device_outputs"])), np.float32)
        source, target = x.ctypes.data, y.ctypes.data
        DRIVE(CALLBACK_KERNEL.address, self.address, source, x.shape[1], target, y.shape[1], x.shape[0], block)
        return y

    @property
    def load_mean(self) -> float:
        """Mean load: processing time divided by the duration of the blocks; above 1 it is too slow. [control thread]"""
        return float(self.record["busy_ns"] / max(self.record["offered_ns"], 1.0))

    @property
    def load_max(self) -> float:
        """Largest load of a block: its processing time divided by its duration. [control thread]"""
        return float(self.record["longest_load"])

    def load_quantile(self, q: float, since: np.ndarray | None = None) -> float:
        """Return the load that a share `q` of all blocks did not exceed, rounded up to an eighth of an octave.

        [control thread]

        Parameters
        ----------
        q : float
            0 to 1.
        since : array, optional
            An earlier copy of the record's ``load_bins``; the blocks that it counts are ignored.
        """
        bins = self.record["load_bins"] - (0 if since is None else since)
        total = int(bins.sum())
        if not total:
            return 0.0
        place = int(np.searchsorted(np.cumsum(bins), math.ceil(q * total)))
        upper = np.array([(place + 1 + LOAD_BIN_OFFSET) << LOAD_BIN_SHIFT], np.int32).view(np.float32)[0]
        return min(float(upper), self.load_max)


def _map(channels: tuple[int, ...]) -> tuple[int, int]:
    """Return the channel of the first row, from 0, and the difference to the channel of the next row."""
    return channels[0] - 1, channels[1] - channels[0] if len(channels) > 1 else 1
