"""``rtfx pack``: a set list with its models and responses in one file."""

from __future__ import annotations

import os

import click

from .options import debug_option
from .output import json_line, status


@click.command("pack")
@click.argument("rig", metavar="RIG.yaml")
@click.argument("out", metavar="OUT.rtfx")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, one object on each line.")
@debug_option
def command(rig: str, out: str, as_json: bool) -> None:
    """Write a set list and every file that it names to one file; `rtfx play OUT.rtfx` plays it anywhere."""
    from ..pack import pack

    files = pack(rig, out)
    if as_json:
        json_line({"file": out, "files": files, "bytes": os.path.getsize(out)})
        return
    status(f"{out}: {len(files)} files, {os.path.getsize(out) / 1e6:.1f} MB: rtfx play {out} plays it")
