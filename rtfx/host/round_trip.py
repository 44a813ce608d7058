"""Measures the round-trip latency of a sound card: plays bursts and finds them in the recorded input."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from ..errors import DeviceError
from ..kernels.kernel import Loop
from ..kernels.memory import floats, records
from .choose import Wanted, choose
from .device import JACK
from .hosts import open_host
from .jack_host import JackHost

LEVEL = 0.1  # -20 dBFS: loud enough for a cable, soft enough if loudspeakers are on
BURST_SECONDS, PAUSE_SECONDS, BURSTS = 0.1, 0.4, 6
CERTAIN = 8.0  # least peak of the correlation over its root mean square; noise alone gives about 5


@dataclass(frozen=True)
class RoundTrip:
    """The measured and the reported latency; `difference_ms` is the part that the driver does not know: converters."""

    device: str
    route: str
    sample_rate: float
    block_frames: int
    measured_frames: int
    measured_ms: float
    reported_ms: float | None
    reported_in_ms: float | None
    reported_block_ms: float | None
    reported_out_ms: float | None
    difference_ms: float | None
    bursts: int
    bursts_found: int
    xruns: int


TAPE = np.dtype(
    [
        (name, np.int64)
        for name in ("score", "came", "size", "position", "xruns", "inputs", "outputs", "in_channel", "out_channel")
    ]
)


def play_tape(source, target, frames, time_info, flags, tape):
    """Play the next frames of the score on one channel and record one channel; a PortAudio callback. [audio thread]"""
    t = records(tape, 1, TAPE)[0]
    total = np.int64(frames)
    recorded, played = floats(source, total * t.inputs), floats(target, total * t.outputs)
    score, came = floats(t.score, t.size), floats(t.came, t.size)
    for n in range(total * t.outputs):
        played[n] = np.float32(0.0)
    for n in range(total):
        place = t.position + n
        if place < t.size:
            came[place] = recorded[n * t.inputs + t.in_channel]
            played[n * t.outputs + t.out_channel] = score[place]
    if np.int64(flags) != 0 and t.position > 0:
        t.xruns += 1
    t.position += total
    return 0


PLAY_TAPE = Loop(play_tape, "intc(int64, int64, ulong, int64, ulong, int64)")


class Tape:
    """Replaces an engine in a host: plays a score and records the input.

    Parameters
    ----------
    score : (frames,) float32
    in_channel, out_channel : int
        Channels of the device, from 1.
    """

    def __init__(self, score: np.ndarray, in_channel: int, out_channel: int):
        self.score, self.came = score, np.zeros_like(score)
        self.record = {"device_inputs": in_channel, "device_outputs": out_channel, "largest_block": 0}
        self._memory = np.zeros(1, TAPE)
        places = (score.ctypes.data, self.came.ctypes.data, len(score), 0, 0)
        self._memory[0] = (*places, in_channel, out_channel, in_channel - 1, out_channel - 1)
        self.address, self.callback = self._memory.ctypes.data, PLAY_TAPE.address

    @property
    def position(self) -> int:
        return int(self._memory["position"][0])

    @property
    def clock(self) -> int:
        """Frames played so far; hosts watch it."""
        return self.position

    @property
    def xruns(self) -> int:
        return int(self._memory["xruns"][0])

    def begin(self) -> None:
        """Start again from the first frame, as frames played before the connection existed are lost."""
        self._memory["position"] = 0


def burst(sample_rate: float) -> np.ndarray:
    """Return (frames,) float32 of noise, equal at each call."""
    frames = round(BURST_SECONDS * sample_rate)
    return (LEVEL * np.sign(np.random.default_rng(1).standard_normal(frames))).astype(np.float32)


def delays(sent: np.ndarray, came: np.ndarray, starts: list[int], longest: int) -> list[int]:
    """Return the delay, in frames, of each burst that was found in the recording.

    Parameters
    ----------
    sent : (frames,)
        One burst.
    came : (frames,)
        The whole recording.
    starts : list of int
        The frames at which bursts were sent.
    longest : int
        The longest delay to look for.
    """
    found = []
    for start in starts:
        part = came[start : start + longest + len(sent)].astype(np.float64)
        if len(part) < len(sent):
            continue
        size = 1 << (len(part) + len(sent)).bit_length()
        spectrum = np.fft.rfft(part, size) * np.conj(np.fft.rfft(sent, size))
        correlation = np.abs(np.fft.irfft(spectrum, size)[: len(part) - len(sent) + 1])
        place = int(np.argmax(correlation))
        if correlation[place] > CERTAIN * max(float(np.sqrt(np.mean(correlation**2))), 1e-9):
            found.append(place)
    return found


def measure(
    device: Wanted = None,
    input_device: Wanted = None,
    output_device: Wanted = None,
    in_channel: int = 1,
    out_channel: int = 1,
    sample_rate: float | None = None,
    block: int = 0,
    latency: str | float | None = None,
    jack_loop: bool = False,
) -> RoundTrip:
    """Play bursts and measure when they come back, through a cable or a JACK connection.

    Parameters
    ----------
    jack_loop : bool
        Connect output and input inside JACK: then the round trip is that of the server alone, without the card.
    others
        As for `rtfx.Rig.play`.

    Raises
    ------
    DeviceError
        There is no device, or no burst came back; then the message says how to connect.
    """
    choice = choose(device, input_device, output_device, allow_feedback=True)
    if choice.is_null or choice.input is None or choice.output is None:
        raise DeviceError("the null device has no round trip: name a sound card: see rtfx devices")
    source, target = choice.input, choice.output
    if in_channel > source.input_channels or out_channel > target.output_channels:
        raise DeviceError(
            f"channels {in_channel} in and {out_channel} out were asked for, but {source.name} has "
            f"{source.input_channels} in and {target.name} {target.output_channels} out"
        )
    rate = float(sample_rate or target.sample_rate)
    sent = burst(rate)
    period = round((BURST_SECONDS + PAUSE_SECONDS) * rate)
    score = np.zeros(period * BURSTS + period, np.float32)
    starts = [period * n + period // 4 for n in range(BURSTS)]
    for start in starts:
        score[start : start + len(sent)] = sent
    tape = Tape(score, in_channel, out_channel)
    host = open_host(tape, choice, block, rate, latency)
    try:
        host.start()
        if jack_loop:
            if not isinstance(host, JackHost) or not host.connect_loop(out_channel, in_channel):
                raise DeviceError("JACK refuses to connect output and input: use a cable")
        tape.begin()
        deadline = time.monotonic() + 4.0 * len(score) / rate + 5.0
        while tape.position < len(score) and host.active and time.monotonic() < deadline:
            time.sleep(0.02)
        reported = (0.0, 0.0) if jack_loop else (host.input_latency, host.output_latency)  # no card in the loop
        block_frames = host.block_frames or 0
    finally:
        host.close()
    came = tape.came
    found = delays(sent, came, starts, period - len(sent))
    if 2 * len(found) <= BURSTS:
        how = ": with --jack-loop, or" if target.host_api == JACK else ":"
        raise DeviceError(
            f"nothing came back on input {in_channel} of {source.name}, {len(found)} of {BURSTS} bursts were heard"
            f"{how} connect output {out_channel} to input {in_channel} by a cable, input gain at the middle"
        )
    measured = int(np.median(found))
    seconds = (reported[0], block_frames / rate, reported[1])
    parts = [None if part is None else 1000.0 * part for part in seconds]
    total = None if None in parts else sum(part for part in parts if part is not None)
    return RoundTrip(
        device=source.name if source.index == target.index else f"{source.name} > {target.name}",
        route=choice.route,
        sample_rate=rate,
        block_frames=block_frames,
        measured_frames=measured,
        measured_ms=1000.0 * measured / rate,
        reported_ms=total,
        reported_in_ms=parts[0],
        reported_block_ms=parts[1],
        reported_out_ms=parts[2],
        difference_ms=None if total is None else 1000.0 * measured / rate - total,
        bursts=BURSTS,
        bursts_found=sum(delay == measured for delay in found),
        xruns=tape.xruns,
    )
