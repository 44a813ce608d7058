"""``rtfx latency``: the round trip through the sound card, measured and compared with what its driver reports."""

from __future__ import annotations

import dataclasses

import click

from .output import json_line, status
from .play import latency_wanted
from .rig import Number, debug_option


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
    from ..roundtrip import BURST_SECONDS, BURSTS, PAUSE_SECONDS, measure

    wanted = latency_wanted(latency) or "low"
    status(f"playing bursts for {(BURSTS + 1) * (BURST_SECONDS + PAUSE_SECONDS):.1f} s")
    found = measure(
        device, input_device, output_device, in_channel, out_channel, rate, block, wanted, jack_loop=jack_loop
    )
    if as_json:
        json_line(dataclasses.asdict(found))
        return
    click.echo(
        f"{found.device} ({found.route}) at {found.sample_rate:g} Hz, {found.block_frames} frames a block\n"
        f"measured: {found.measured_ms:.2f} ms ({found.measured_frames} frames), the same for {found.bursts_found} of "
        f"{found.bursts} bursts\n"
        f"reported: {found.reported_ms:.2f} ms: device in {found.reported_in_ms:.2f}, block "
        f"{found.reported_block_ms:.2f}, device out {found.reported_out_ms:.2f}\n"
        f"{_difference(found.difference_ms)}"
    )


def _difference(ms: float) -> str:
    if abs(ms) < 0.5:
        return f"difference: {ms:+.2f} ms: the driver reports what is heard"
    if ms > 0.0:
        return f"difference: {ms:+.2f} ms, of which the driver does not know: converters, USB"
    return f"difference: {ms:+.2f} ms: the driver reports more than there is"
