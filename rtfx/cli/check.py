"""``rtfx check``: what could go wrong with a set list on stage."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import click

from ..errors import PresetError
from .options import debug_option, inputs_option
from .output import json_line, printer, status

if TYPE_CHECKING:
    from ..check import Report

STYLES = {"error": "bold red", "warning": "yellow", "note": "dim"}


@click.command("check")
@click.argument("rig", metavar="RIG.yaml")
@click.option(
    "-b",
    "--block",
    type=click.IntRange(1, 8192),
    metavar="FRAMES",
    help="Block size (default: the set list's, or its device's).",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON: a line for each finding and preset, then a summary.")
@inputs_option
@debug_option
def command(rig: str, block: int | None, as_json: bool, inputs: str | None) -> None:
    """Find what could go wrong with a set list on stage.

    It checks files, keys and ranges, devices and rates; it measures the load of each preset and of changes between
    neighbouring presets on this machine, their loudness, and whether the kernels are exact on this processor. If
    something must be corrected, the exit code is 1 and the last line names the first such thing.
    """
    from ..check import check

    report = check(rig, block, inputs)
    if as_json:
        _print_json(report)
    else:
        _print_table(report)
    if report.errors:
        raise PresetError(report.errors[0].message)


def _print_json(report: Report) -> None:
    for finding in report.findings:
        json_line(dataclasses.asdict(finding))
    for preset in report.presets:
        json_line({"topic": "measured", **dataclasses.asdict(preset)})
    counts = {name: sum(f.severity == name for f in report.findings) for name in STYLES}
    json_line(
        {
            "topic": "summary",
            "file": str(report.path),
            "ok": not report.errors,
            "sample_rate": report.sample_rate,
            "block_frames": report.block_frames,
            "worst_pair": report.worst_pair,
            "worst_pair_load": report.worst_pair_load,
            "models_verified": report.verified,
            **{f"{name}s": count for name, count in counts.items()},
        }
    )


def _print_table(report: Report) -> None:
    from rich.table import Table
    from rich.text import Text

    console = printer(highlight=False)
    if report.presets:
        head = f"{report.path} with the guitars at {report.sample_rate:g} Hz, blocks of {report.block_frames} frames"
        console.print(Text(head), soft_wrap=True)
        table = Table(box=None, pad_edge=False)
        for name in ("preset", "load", "p99", "loudness", "peak", "latency"):
            table.add_column(name, justify="left" if name == "preset" else "right")
        for one in report.presets:
            table.add_row(
                Text(f"{one.number} {one.preset}"),
                f"{100 * one.load_mean:.1f} %",
                f"{100 * one.load_p99:.1f} %" if one.quiet else f"({100 * one.load_p99:.1f} %)",
                f"{one.loudness_lufs:.1f} LUFS",
                f"{one.peak_dbfs:.1f} dBFS",
                f"{one.latency_ms:.1f} ms",
            )
        console.print(table)
        if not all(one.quiet for one in report.presets):
            console.print("(p99): the machine was busy with other work, so it is not judged")
    if report.worst_pair_load:
        names = " and ".join(report.worst_pair)
        load = 100 * report.worst_pair_load
        console.print(Text(f"costliest change: between {names}, {load:.1f} % of a block's time"), soft_wrap=True)
    if report.verified:
        console.print(f"models exact on this processor: {report.verified}")
    for finding in report.findings:
        console.print(
            Text.assemble((f"{finding.severity}: ", STYLES[finding.severity]), finding.message), soft_wrap=True
        )
    if not report.errors:
        status("no errors: this set list can be played")
