"""``rtfx latency``: measures the round trip through the sound card, and compares it with the driver's report."""

from __future__ import annotations

import dataclasses

import click

from .options import debug_option, device_options
from .output import json_line, say, status


@click.command("latency")
@device_options
@click.option("--in-channel", type=click.IntRange(1), default=1, metavar="N", help="Input that the cable ends at.")
@click.option("--out-channel", type=click.IntRange(1), default=1, metavar="N", help="Output that it begins at.")
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
    latency: str | float | None,
    jack_loop: bool,
    as_json: bool,
) -> None:
    """Measure the round-trip latency; connect an output to an input by a cable first.

    Bursts of noise at -20 dBFS are played: turn down the loudspeakers.
    """
    from ..host.round_trip import BURST_SECONDS, BURSTS, PAUSE_SECONDS, measure

    status(f"playing bursts for {(BURSTS + 1) * (BURST_SECONDS + PAUSE_SECONDS):.1f} s")
    found = measure(
        device, input_device, output_device, in_channel, out_channel, rate, block, latency, jack_loop=jack_loop
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
        return f"difference: {ms:+.2f} ms: the driver reports the true latency"
    if ms > 0.0:
        return f"difference: {ms:+.2f} ms, which the driver does not report: converters, USB"
    return f"difference: {ms:+.2f} ms: the driver reports too much"
