"""``rtfx analyze``: what a model or a rig does to test signals, as a picture, as JSON or as a table."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..rig_arguments import RigFlags, build, numbered
from .options import Number, debug_option, rig_options
from .output import json_line, printer, status

if TYPE_CHECKING:
    from ..analyze import Analysis


@click.command("analyze")
@click.argument("whats", metavar="MODEL|RIG.yaml[:preset]...", nargs=-1)
@click.option("--out", metavar="FILE", help="Draw a picture: .html, or .png with matplotlib.")
@click.option("-r", "--rate", type=Number(11025, 768000), metavar="HZ", help="Sample rate (default: the rig's).")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for each, with all curves.")
@rig_options
@debug_option
def command(whats: tuple[str, ...], out: str | None, rate: float | None, as_json: bool, flags: RigFlags) -> None:
    """Measure what a model or a rig does to test signals; several are drawn on the same axes.

    Transfer curve, level, harmonics and frequency response at several levels, aliasing from 1 to 5 kHz, noise, latency
    and the response to a step. The limiter is left out.
    """
    from ..analyze import analyze
    from ..errors import UsageError

    words: list[tuple[str | None, RigFlags]] = [(what, dataclasses.replace(flags, model=())) for what in whats]
    words += [(None, dataclasses.replace(flags, model=(model,))) for model in flags.model]
    if not words:
        raise UsageError("nothing to analyze: name a model or a set list, such as rtfx analyze klon.json")
    if out is not None and Path(out).suffix.lower() not in (".html", ".htm", ".png"):
        raise UsageError(f"--out {out} has suffix {Path(out).suffix!r}, expected .html or .png")
    names = numbered(_name(what or own.model[0]) for what, own in words)
    found = []
    for (what, own), name in zip(words, names, strict=True):
        one = analyze(build(what, own), name, rate)
        found.append(one)
        if as_json:
            json_line(dataclasses.asdict(one))
    if out is not None:
        from ..analysis_page import write_page

        write_page(Path(out), found)
        status(f"drawn: {out}")
    if not as_json:
        _show(found)


def _name(word: str) -> str:
    return word if word.startswith("random:") or ":" in word else Path(word).stem


def _show(found: list[Analysis]) -> None:
    from rich.table import Table

    from ..analysis_page import ROWS

    table = Table(box=None, pad_edge=False)
    table.add_column("")
    for one in found:
        table.add_column(one.name, justify="right", overflow="fold")
    for name, value in ROWS:
        table.add_row(name, *(value(one) for one in found))
    printer().print(table)
