"""``rtfx latency``: the round trip through the sound card, measured and compared with what its driver reports."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import click

from ..errors import UsageError
from .options import Number, debug_option
from .output import json_line, say, status

if TYPE_CHECKING:
    from ..live.stats import Stats

COMFORTABLE_MS = 12.0  # above it a guitar feels late


@click.command("latency")
@click.option("-i", "--input-device", metavar="D", help="Input device: index or part of its name.")
@click.option("-o", "--output-device", metavar="D", help="Output device.")
@click.option("--device", metavar="D", help="Both.")
@click.option("--in-channel", type=click.IntRange(1), default=1, metavar="N", help="Input that the cable ends at.")
@click.option("--out-channel", type=click.IntRange(1), default=1, metavar="N", help="Output that it begins at.")
@click.option("-r", "--rate", type=Number(1000, 768000), metavar="HZ", help="Sample rate of the device.")
@click.option("-b", "--block", type=click.IntRange(0, 8192), default=0, metavar="FRAMES", help="0: the device's own.")
@click.option("--latency", metavar="low|high|SECONDS", help="What to ask of the device (default low).")
@click.option("--jack-loop", is_flag=True, help="Connect output and input inside JACK, in place of a cable.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@debug_option
def command(
    input_device: str | None,
    output_device: str | None,
    device: str | None,
    in_channel: int,
    out_channel: int,
    rate: float | None,
    block: int,
    latency: str | None,
    jack_loop: bool,
    as_json: bool,
) -> None:
    """Measure the round trip: connect an output to an input by a cable first.

    Bursts of noise at -20 dBFS are played: turn loudspeakers down.
    """
    from ..host.round_trip import BURST_SECONDS, BURSTS, PAUSE_SECONDS, measure

    wanted = latency_wanted(latency)
    status(f"playing bursts for {(BURSTS + 1) * (BURST_SECONDS + PAUSE_SECONDS):.1f} s")
    found = measure(
        device, input_device, output_device, in_channel, out_channel, rate, block, wanted, jack_loop=jack_loop
    )
    if as_json:
        json_line(dataclasses.asdict(found))
        return
    say(
        f"{found.device} ({found.route}) at {found.sample_rate:g} Hz, {found.block_frames} frames a block\n"
        f"measured: {found.measured_ms:.2f} ms ({found.measured_frames} frames), the same for {found.bursts_found} of "
        f"{found.bursts} bursts\n"
        f"reported: {_ms(found.reported_ms)}: device in {_ms(found.reported_in_ms)}, block "
        f"{_ms(found.reported_block_ms)}, device out {_ms(found.reported_out_ms)}\n"
        f"{_difference(found.difference_ms)}"
    )


def _ms(ms: float | None) -> str:
    return "unknown" if ms is None else f"{ms:.2f} ms"


def _difference(ms: float | None) -> str:
    if ms is None:
        return "difference: unknown: the driver does not say what it adds"
    if abs(ms) < 0.5:
        return f"difference: {ms:+.2f} ms: the driver reports what is heard"
    if ms > 0.0:
        return f"difference: {ms:+.2f} ms, which the driver does not report: converters, USB"
    return f"difference: {ms:+.2f} ms: the driver reports more than there is"


def latency_wanted(text: str | None) -> str | float | None:
    """Return what ``--latency`` asks for: low, high or seconds."""
    if text is None or text in ("low", "high"):
        return text
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0.0 < seconds <= 10.0:
        raise UsageError(f"--latency is {text!r}, expected low, high or seconds, such as 0.01")
    return seconds


def latency_line(stats: Stats) -> str:
    """Return the latency of a running stream and its parts."""
    parts = {
        "device in": stats.latency_in_ms,
        "block": stats.latency_block_ms,
        "model": stats.latency_model_ms,
        "device out": stats.latency_out_ms,
    }
    listed = ", ".join(f"{name} {'unknown' if ms is None else f'{ms:.1f}'}" for name, ms in parts.items())
    if stats.latency_ms is None:
        return f"latency unknown, at least {stats.latency_known_ms:.1f} ms: {listed}"
    return f"latency {stats.latency_ms:.1f} ms: {listed}"


def latency_advice(stats: Stats, asked_frames: int) -> list[str]:
    """Return what to say of a block that is not the one asked for, and of a latency that is felt."""
    said = []
    runs = stats.block_frames
    if asked_frames and runs and runs != asked_frames:
        said.append(f"{asked_frames} frames were asked for, {runs} run: {_why(stats, runs < asked_frames)}")
    if stats.latency_known_ms > COMFORTABLE_MS:
        said.append(f"a latency above {COMFORTABLE_MS:g} ms is felt while playing: {_lower(stats)}")
    return said


def _why(stats: Stats, lower: bool) -> str:
    if "PipeWire" in stats.route:
        return "another program asks for less" if lower else "the card or PipeWire's settings allow no less"
    return "this is what the device can do"


def _lower(stats: Stats) -> str:
    if (stats.latency_model_ms or 0.0) > (stats.latency_block_ms or 0.0):
        return "most of it is the model's own, made for another sample rate: -r with that rate avoids it"
    if "PipeWire" in stats.route or stats.route == "JACK":
        return "-b 64 asks for a shorter block, for all programs that play"
    return "-b 64 or --latency low asks for less; JACK, or PipeWire with pipewire-jack, allow less"
