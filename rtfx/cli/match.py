"""``rtfx match``: makes all presets and scenes of a set list equally loud."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

import click

from ..errors import PresetError
from .options import Number, debug_option, inputs_option
from .output import json_line, printer, status

if TYPE_CHECKING:
    from ..match import Matched


LOUDER_LU = 1.5  # a scene that exceeds the others by more may be meant to


@click.command("match")
@click.argument("rig", metavar="RIG.yaml")
@click.option("--write", "writes", is_flag=True, help="Write the trims into the set list; comments stay.")
@click.option(
    "--lufs", type=Number(-40, -10), default=-18.0, metavar="L", help="The common loudness (default -18 LUFS)."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object for each preset and scene.")
@inputs_option
@debug_option
def command(rig: str, writes: bool, lufs: float, as_json: bool, inputs: str | None) -> None:
    """Make all presets and scenes of a set list equally loud.

    Each is measured with the shipped guitars: single notes, chords, palm mutes. A gain block named trim at the end of
    the chain levels it, and trim.gain_db in scenes. What is meant to be louder, such as a solo, says so: louder_db: 3
    in the preset or in the scene.
    """
    from ..match import measured, write

    found = []
    for one in measured(rig, lufs, inputs):
        found.append(one)
        if as_json:
            json_line(dataclasses.asdict(one))
    if not as_json:
        _show(found)
    silent = [f"{one.preset} {one.scene}".strip() for one in found if one.loudness_lufs == -math.inf]
    if not any(one.changes for one in found):
        status("nothing to change")
    elif writes:
        status(f"trims written into {write(rig, found)}")
    else:
        status("--write writes these trims into the set list")
    loud = [one for one in found if one.scene and one.changes and one.loudness_lufs - one.target_lufs > LOUDER_LU]
    if loud and not as_json:
        status(f"is {_name(loud[0])} meant to be louder? louder_db: {loud[0].loudness_lufs - loud[0].target_lufs:.0f} "
               "in the scene keeps it so")  # fmt: skip
    for one in found:
        if one.at_end:
            status(f"{_name(one)}: {one.new_trim_db:+g} dB is as far as a trim goes: turn its own levels first")
    limited = [one for one in found if one.new_peak_dbfs > 0.0]
    for one in limited:
        status(f"{_name(one)}: peaks of {one.new_peak_dbfs:+.1f} dBFS with a hard guitar, which the limiter reduces")
    if silent:
        raise PresetError(f"{', '.join(silent)}: silent, a guitar gives no output")


def _name(one: Matched) -> str:
    return f"{one.preset}, {one.scene}" if one.scene else one.preset


def _show(found: list[Matched]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for name in ("", "preset, scene"):
        table.add_column(name, justify="right" if not name else "left")
    for name in ("LUFS", "meant", "trim", "new trim", "peak dBFS"):
        table.add_column(name, justify="right")
    for one in found:
        title = Text(f"  {one.scene}" if one.scene else one.preset, "" if one.scene else "bold")
        new = Text(f"{one.new_trim_db:+.1f}", "yellow" if one.changes else "dim")
        numbers = (f"{one.loudness_lufs:.1f}", f"{one.target_lufs:.1f}", f"{one.trim_db:+.1f}")
        table.add_row("" if one.scene else str(one.number), title, *numbers, new, f"{one.new_peak_dbfs:.1f}")
    printer().print(table)
