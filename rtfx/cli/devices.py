"""``rtfx devices``: the sound devices of this machine."""

from __future__ import annotations

import dataclasses

import click

from .options import debug_option
from .output import json_line, say, status

MARKS = {(False, False): " ", (True, False): ">", (False, True): "<", (True, True): "*"}
NULL_LINE = "  null  the built-in device without hardware: rtfx play --device null"


@click.command("devices")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, one object on each line.")
@debug_option
def command(as_json: bool) -> None:
    """List sound devices: > marks the default input, < the default output, * both."""
    from ..host.devices import devices, route_name, sample_rates

    found = devices()
    for device in found:
        rates = sample_rates(device)
        if as_json:
            json_line({**dataclasses.asdict(device), "route": route_name(device.host_api), "sample_rates": rates})
        else:
            say(_line(device, route_name(device.host_api), rates, len(str(len(found) - 1))))
    if not found:
        status("no sound device found: rtfx play uses the null device")
    if as_json:
        return
    say(NULL_LINE)


def _line(device, route: str, rates: list[int], width: int) -> str:
    mark = MARKS[device.default_input, device.default_output]
    listed = ", ".join(f"{rate / 1000:g}" for rate in rates) + " kHz" if rates else "busy, or none of the usual rates"
    channels = f"{device.input_channels} in, {device.output_channels} out"
    head = f"{mark} {device.index:{width}d} {device.name}, {route} ({channels}; {listed}; "
    if device.portaudio < 0:
        return f"{head}{device.block_frames} frames now)"
    low = 1000.0 * (device.input_latency_low * bool(device.input_channels) + device.output_latency_low)
    high = 1000.0 * (device.input_latency_high * bool(device.input_channels) + device.output_latency_high)
    return f"{head}default {device.sample_rate / 1000:g} kHz; latency {low:.1f} to {high:.1f} ms)"
