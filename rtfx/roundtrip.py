"""The round trip through a sound card, measured: bursts go out, and are looked for in what comes in."""

from __future__ import annotations

import contextlib
import ctypes
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from .errors import DeviceError
from .host.choose import Wanted, choose
from .host.devices import explain
from .host.route import JACK, quiet, sounddevice

LEVEL = 0.1  # -20 dBFS: loud enough for a cable, soft enough for loudspeakers that are on
BURST_SECONDS, PAUSE_SECONDS, BURSTS = 0.1, 0.4, 6
CERTAIN = 8.0  # the correlation's peak over its root mean square; of noise alone it is about 5


@dataclass(frozen=True)
class RoundTrip:
    """What was measured, and what the driver reports; `difference_ms` is what it does not know of: the converters."""

    device: str
    route: str
    sample_rate: float
    block_frames: int
    measured_frames: int
    measured_ms: float
    reported_ms: float
    reported_in_ms: float
    reported_block_ms: float
    reported_out_ms: float
    difference_ms: float
    bursts: int
    bursts_found: int
    xruns: int


def burst(sample_rate: float) -> np.ndarray:
    """Return (frames,) float32 of noise, the same every time."""
    frames = round(BURST_SECONDS * sample_rate)
    return (LEVEL * np.sign(np.random.default_rng(1).standard_normal(frames))).astype(np.float32)


def delays(sent: np.ndarray, came: np.ndarray, starts: list[int], longest: int) -> list[int]:
    """Return by how many frames each burst that was found came later than it went.

    Parameters
    ----------
    sent : (frames,)
        One burst.
    came : (frames,)
        The whole recording; `starts` are the frames at which bursts went out.
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
    latency: str | float = "low",
    jack_loop: bool = False,
) -> RoundTrip:
    """Play bursts and measure when they come back, through a cable or a JACK connection.

    Parameters
    ----------
    jack_loop : bool
        Connect output and input inside JACK: then the round trip is that of the server alone, without the card.
    Others : as for `rtfx.Rig.play`.

    Raises
    ------
    DeviceError
        No device, or nothing came back: then the message says how to connect.
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
    sent, module = burst(rate), sounddevice()
    period = round((BURST_SECONDS + PAUSE_SECONDS) * rate)
    score = np.zeros(period * BURSTS + period, np.float32)
    starts = [period * n + period // 4 for n in range(BURSTS)]
    for start in starts:
        score[start : start + len(sent)] = sent
    came, state = np.zeros_like(score), {"position": 0, "xruns": 0, "block": 0}

    def callback(indata, outdata, frames, times, status):
        first = state["position"]
        count = max(min(frames, len(score) - first), 0)
        came[first : first + count] = indata[:count, in_channel - 1]
        outdata[:] = 0.0
        outdata[:count, out_channel - 1] = score[first : first + count]
        state["position"] += frames
        state["block"] = max(state["block"], frames)
        state["xruns"] += bool(status) and first > 0

    try:
        with quiet():
            stream = module.Stream(
                samplerate=rate,
                blocksize=block,
                device=(source.index, target.index),
                channels=(in_channel, out_channel),
                dtype="float32",
                latency=latency,
                callback=callback,
            )
        with stream, jack_connection(module) if jack_loop else contextlib.nullcontext():
            state["position"] = 0  # what played before the connection was made is played again
            deadline = time.monotonic() + 4.0 * len(score) / rate + 5.0
            while state["position"] < len(score) and stream.active and time.monotonic() < deadline:
                time.sleep(0.02)
            reported = (0.0, 0.0) if jack_loop else stream.latency  # inside JACK the card is not passed
    except module.PortAudioError as error:
        raise explain(error, target, rate) from error
    found = delays(sent, came, starts, period - len(sent))
    if 2 * len(found) <= BURSTS:
        how = ": with --jack-loop, or" if target.host_api == JACK else ":"
        raise DeviceError(
            f"nothing came back on input {in_channel} of {source.name}, {len(found)} of {BURSTS} bursts were heard"
            f"{how} connect output {out_channel} to input {in_channel} by a cable, input gain at the middle"
        )
    measured = int(np.median(found))
    parts = [1000.0 * seconds for seconds in (reported[0], state["block"] / rate, reported[1])]
    return RoundTrip(
        device=source.name if source.index == target.index else f"{source.name} > {target.name}",
        route=choice.route,
        sample_rate=rate,
        block_frames=state["block"],
        measured_frames=measured,
        measured_ms=1000.0 * measured / rate,
        reported_ms=sum(parts),
        reported_in_ms=parts[0],
        reported_block_ms=parts[1],
        reported_out_ms=parts[2],
        difference_ms=1000.0 * measured / rate - sum(parts),
        bursts=BURSTS,
        bursts_found=sum(delay == measured for delay in found),
        xruns=state["xruns"],
    )


@contextlib.contextmanager
def jack_connection(module: Any) -> Iterator[None]:
    """Connect the first output of this process's PortAudio client to its first input, inside JACK."""
    try:
        jack = ctypes.CDLL("libjack.so.0")
        name = ctypes.c_char_p()
        ctypes.CDLL(module._libname).PaJack_GetClientName(ctypes.byref(name))
    except (OSError, AttributeError) as error:
        raise DeviceError(f"JACK cannot be asked for a connection ({error}): use a cable") from error
    for function in ("jack_client_open", "jack_get_ports"):
        getattr(jack, function).restype = ctypes.c_void_p
    jack.jack_get_ports.restype = ctypes.POINTER(ctypes.c_char_p)
    client = ctypes.c_void_p(jack.jack_client_open(b"rtfx-latency", 1, None))  # 1: start no server
    if not client.value:
        raise DeviceError("JACK lets no further client in: use a cable")
    try:
        own = name.value or b"PortAudio"
        ports = []
        for side, flag in ((b":out_", 2), (b":in_", 1)):  # JackPortIsOutput, JackPortIsInput
            found = jack.jack_get_ports(client, own + side, None, ctypes.c_ulong(flag))
            if not found or not found[0]:
                raise DeviceError(f"JACK knows no port {(own + side).decode()}: use a cable")
            ports.append(found[0])
        if jack.jack_connect(client, ports[0], ports[1]):
            raise DeviceError("JACK refuses to connect output and input: use a cable")
        yield
    finally:
        jack.jack_client_close(client)
