"""What a stream reports: one frozen record at any time, and the meters."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Stats:
    """The state of a stream; times in seconds unless named, ratios 0 to 1, levels in dBFS.

    Parameters
    ----------
    block_frames : int
        The largest block the device asked for.
    xruns_in, xruns_out : int
        Blocks lost on the way in and out.
    load_mean, load_p99, load_max : float
        Processing time over the block's deadline.
    latency_ms : float
        Device in and out as the driver reports them, plus the rig's own.
    non_finite_blocks : int
        Blocks that a model filled with NaN or infinity; they were muted and the model was reset.
    realtime : str
        What priority the audio thread was granted, or "none".
    """

    device: str
    input_device: str
    output_device: str
    route: str
    sample_rate: float
    block_frames: int
    blocks: int
    frames: int
    xruns_in: int
    xruns_out: int
    load_mean: float
    load_p99: float
    load_max: float
    peak_in_dbfs: float
    peak_out_dbfs: float
    latency_ms: float
    non_finite_blocks: int
    preset: str
    realtime: str
    recorded_frames: int
    lost_frames: int


@dataclass(frozen=True)
class Meters:
    """Peaks of the last twentieth of a second in dBFS, clips since they were cleared, load of 0 to 1."""

    inputs: list[float]
    output: float
    clip_in: bool
    clip_out: bool
    load: float
    load_max: float
    xruns: int
