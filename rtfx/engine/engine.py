"""The engine seen from the control thread: publishes rigs, takes finished ones back, reads meters and counters."""

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
PUBLISHED_KEPT = 1024  # rigs whose numbers the audio thread may still log


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
    """Begin to compile what every engine needs, unless it is on disk: files can be read meanwhile."""
    order((CALLBACK_KERNEL, FINISH, RUN_RIG, PLAY_SLOTS, DRIVE, EXCHANGE, LOAD, STORE))


class Published(NamedTuple):
    """What is remembered of a published rig when it is gone: its number in the log, and see `EngineRig`."""

    number: int
    origin: Any
    tables: deque
    continues: bool


class Engine:
    """The memory of one running engine. All methods are for the control thread unless they say otherwise.

    Parameters
    ----------
    sample_rate : float
        Hz, fixed as long as the engine lives.
    inputs, outputs : int
        Rows fed to rigs and mixed from them.
    device_inputs, device_outputs : int
        Channels of the interleaved blocks the callback gets; 0: none.
    source : (frames, channels) float32, optional
        Plays in place of the device's input.
    loops : bool
        The source starts again at its end.
    ring_frames : int
        How much of the input and output is kept; 0: nothing.
    live : bool
        Fade in over 300 ms at the start.
    loudest : float
        A sample of the input beyond it is silenced.
    out_channels : tuple of int
        One or two channels of the device, from 1, that get the output rows; all others stay silent. By default every
        channel gets one: the only row if there is but one.
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
        self.published: deque[Published] = deque(maxlen=PUBLISHED_KEPT)
        self._number = 0
        self.on_free: Callable[[EngineRig], object] | None = None
        self.poison = False
        self.graveyard: list[EngineRig] = []

    def publish(self, rig: EngineRig, continues: bool = False) -> None:
        """Offer a rig; the audio thread takes it at the next block. An earlier one not yet taken is dropped.

        One that `continues` begins with the state of the rig that plays, if that has its layout; it is taken when no
        other fade is under way, so that training at any speed costs at most two rigs at a time.
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
        """Tell whether a rig that was published to begin from rest has not been taken yet."""
        return LOAD(self.address + OFFSET["pending"]) == rig.address

    def reclaim(self) -> int:
        """Free every rig that the audio thread has handed back; return how many."""
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
        """Move `in_gain`, `out_gain`, `wet` or `open` to a value over 20 ms."""
        self.record[name]["target"] = value

    @contextlib.contextmanager
    def muted(self) -> Iterator[None]:
        """Silence inside the block; afterwards the output is as muted or open as it was."""
        before = float(self.record["open"]["target"])
        self.glide("open", 0.0)
        try:
            yield
        finally:
            self.glide("open", before)

    def prepare_for(self, device_inputs: int, device_outputs: int) -> None:
        """Make ready for another device, while none calls: it begins with a fade, on a thread of its own."""
        e = self.record
        e["device_inputs"], e["device_outputs"] = device_inputs, device_outputs
        self._fill_outputs()
        if not e["source"]:
            e["in_channel"] = min(int(e["in_channel"]), max(device_inputs - 1, 0))
        e["open"]["goal"] = e["open"]["value"] = 0.0
        e["open"]["left"] = e["thread"] = e["largest_block"] = 0

    def read_from(self, channels: tuple[int, ...]) -> None:
        """Feed the rig from one or two channels of the device, from 1."""
        self.record["in_step"] = _map(channels)[1]
        self.record["in_channel"] = _map(channels)[0]

    def _fill_outputs(self) -> None:
        """Have every channel of the device get a row, unless some were chosen."""
        if self._everywhere:
            self.record["out_count"] = self.record["device_outputs"]

    def stop_at(self, frame: int) -> None:
        """Have the output fade so that it is silent from this stream frame on."""
        STORE(self.address + OFFSET["stop_frame"], frame)

    def stop_soon(self) -> int:
        """Begin the stop fade now; return the stream frame at which it ends. An earlier stop is kept."""
        frame = int(self.record["clock"]) + 2 * int(self.record["largest_block"]) + int(self.record["stop_frames"])
        planned = int(self.record["stop_frame"])
        if planned < 0 or frame < planned:
            self.stop_at(frame)
            return frame
        return planned

    @property
    def clock(self) -> int:
        """Frames processed so far."""
        return LOAD(self.address + OFFSET["clock"])

    def drive(self, x: np.ndarray, block: int) -> np.ndarray:
        """Process interleaved frames by the compiled callback, block by block, faster than real time.

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
        """Time spent over time offered, 0 to 1."""
        return float(self.record["busy_ns"] / max(self.record["offered_ns"], 1.0))

    @property
    def load_max(self) -> float:
        """The worst block's time over its deadline."""
        return float(self.record["longest_load"])

    def load_quantile(self, q: float, since: np.ndarray | None = None) -> float:
        """Return the load that a share `q` of all blocks did not exceed, rounded up to an eighth of an octave.

        Parameters
        ----------
        q : float
            0 to 1.
        since : array, optional
            An earlier copy of the record's ``load_bins``: the blocks counted there are left out.
        """
        bins = self.record["load_bins"] - (0 if since is None else since)
        total = int(bins.sum())
        if not total:
            return 0.0
        place = int(np.searchsorted(np.cumsum(bins), math.ceil(q * total)))
        upper = np.array([(place + 1 + LOAD_BIN_OFFSET) << LOAD_BIN_SHIFT], np.int32).view(np.float32)[0]
        return min(float(upper), self.load_max)


def _map(channels: tuple[int, ...]) -> tuple[int, int]:
    """Return the channel of the first row, from 0, and the step from row to row."""
    return channels[0] - 1, channels[1] - channels[0] if len(channels) > 1 else 1
