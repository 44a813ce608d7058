"""The reports of a stream: a record of its counts, and the meters."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from ..plan.arena import MAX_CHANNELS
from ..units import db_from_gain

if TYPE_CHECKING:
    from ..engine.engine import Engine
    from ..host.hosts import Host
    from ..host.realtime import Granted
    from ..host.recorder import Recorder


@dataclass(frozen=True)
class Stats:
    """The state of a stream; times in seconds unless the name has a unit, loads 0 to 1, levels in dBFS.

    Parameters
    ----------
    block_frames : int or None
        Frames of a block, as measured; None before the first block.
    xruns_in, xruns_out : int
        Number of input and output blocks that were lost.
    load_mean, load_p99, load_max : float
        Processing time divided by the block's deadline.
    latency_ms : float or None
        The sum of the device's input and output latency, which the driver reports, one block, and the rig's latency.
        None if a part is unknown.
    reconnects : int
        How often the device was lost and returned.
    non_finite_blocks : int
        Number of blocks in which a model made NaN or infinity; each was muted and the model reset.
    realtime : str
        The priority that the audio thread was granted, or "none".
    """

    device: str
    input_device: str
    output_device: str
    route: str
    sample_rate: float
    block_frames: int | None
    blocks: int
    frames: int
    xruns_in: int
    xruns_out: int
    load_mean: float
    load_p99: float
    load_max: float
    peak_in_dbfs: float
    peak_out_dbfs: float
    latency_ms: float | None
    non_finite_blocks: int
    preset: str
    realtime: str
    recorded_frames: int
    lost_frames: int
    latency_in_ms: float | None = 0.0
    latency_block_ms: float | None = 0.0
    latency_model_ms: float = 0.0
    latency_out_ms: float | None = 0.0
    reconnects: int = 0

    @classmethod
    def of(
        cls,
        engine: Engine,
        host: Host,
        preset: str,
        recorder: Recorder | None,
        latency_frames: int,
        granted: Granted,
        reconnects: int,
    ) -> Stats:
        """Return the present counts."""
        e = engine.record
        own = latency_frames / float(e["sample_rate"])
        block = None if host.block_frames is None else host.block_frames / float(e["sample_rate"])
        parts = (host.input_latency, block, own, host.output_latency)
        return cls(
            device=host.name,
            input_device=host.input_name,
            output_device=host.output_name,
            route=host.route,
            sample_rate=float(e["sample_rate"]),
            block_frames=host.block_frames,
            blocks=int(e["blocks"]),
            frames=int(e["clock"]),
            xruns_in=int(e["xruns_in"]),
            xruns_out=int(e["xruns_out"]),
            load_mean=engine.load_mean,
            load_p99=engine.load_quantile(0.99),
            load_max=engine.load_max,
            peak_in_dbfs=db_from_gain(float(e["in_peak_max"])),
            peak_out_dbfs=db_from_gain(float(e["out_peak_max"])),
            latency_ms=None if None in parts else 1000.0 * sum(part for part in parts if part is not None),
            latency_in_ms=_ms(host.input_latency),
            latency_block_ms=_ms(block),
            latency_model_ms=1000.0 * own,
            latency_out_ms=_ms(host.output_latency),
            non_finite_blocks=int(e["non_finite"]),
            preset=preset,
            realtime=granted.how if granted.granted else "none",
            recorded_frames=recorder.frames if recorder else 0,
            lost_frames=recorder.lost if recorder else 0,
            reconnects=reconnects,
        )

    @property
    def latency_known_ms(self) -> float:
        """The sum of the known parts in ms: a lower bound of the latency."""
        parts = (self.latency_in_ms, self.latency_block_ms, self.latency_model_ms, self.latency_out_ms)
        return sum(part for part in parts if part is not None)

    def _repr_html_(self) -> str:
        from ..notebook.html import stats_table

        return stats_table(self)


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else 1000.0 * seconds


@dataclass(frozen=True)
class Meters:
    """The values that change while the stream plays; levels in dBFS, loads 0 to 1.

    Parameters
    ----------
    inputs, outputs : list of float
        Peak of each channel over the last tenth of a second; outputs after the limiter.
    output : float
        The loudest of the outputs.
    clip_in, clip_out, held_in, held_out, load_max, xruns
        Since `Stream.clear_clips`. The held peak of an output is before the limiter, which works above 0 dBFS.
    busy_seconds, offered_seconds : float
        Processing time and audio time since the start; the differences of two readings give the load between them.
    """

    inputs: list[float]
    output: float
    clip_in: bool
    clip_out: bool
    load: float
    load_max: float
    xruns: int
    outputs: list[float] = field(default_factory=list)
    held_in: list[float] = field(default_factory=list)
    held_out: list[float] = field(default_factory=list)
    busy_seconds: float = 0.0
    offered_seconds: float = 0.0


@dataclass(frozen=True)
class Cleared:
    """The counts at the moment when the player cleared the display."""

    clips_in: int
    clips_out: int
    xruns: int
    load_bins: np.ndarray

    @classmethod
    def of(cls, engine: Engine) -> Cleared:
        """Return the present counts."""
        e = engine.record
        xruns = int(e["xruns_in"] + e["xruns_out"])
        return cls(int(e["in_clips"]), int(e["out_clips"]), xruns, e["load_bins"].copy())


def read_meters(engine: Engine, channels: int, cleared: Cleared) -> Meters:
    """Return the meters of an engine with `channels` input channels, counted since `cleared`."""
    record = engine.record
    count = min(max(channels, 1), MAX_CHANNELS)
    outputs = levels(record["out_meters"][: int(record["outputs"])])
    fresh = int(record["held_cleared"]) == int(record["clear_held"])  # else they are about to be cleared: show nothing
    return Meters(
        inputs=levels(record["in_meters"][:count]),
        output=max(outputs),
        clip_in=int(record["in_clips"]) > cleared.clips_in,
        clip_out=int(record["out_clips"]) > cleared.clips_out,
        load=engine.load_mean,
        load_max=engine.load_quantile(1.0, cleared.load_bins),
        xruns=int(record["xruns_in"] + record["xruns_out"]) - cleared.xruns,
        outputs=outputs,
        held_in=levels(record["in_held"][:count] * fresh),
        held_out=levels(record["out_held"][: len(outputs)] * fresh),
        busy_seconds=1e-9 * float(record["busy_ns"]),
        offered_seconds=1e-9 * float(record["offered_ns"]),
    )


def levels(peaks: np.ndarray) -> list[float]:
    """Return linear peaks (1 is full scale) in dBFS."""
    return [db_from_gain(float(peak)) for peak in peaks]
