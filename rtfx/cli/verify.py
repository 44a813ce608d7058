"""``rtfx verify``: does the compiled model compute what its file says?"""

from __future__ import annotations

import dataclasses

import click

from ..errors import RtfxError
from .info import model_files
from .output import json_line
from .rig import debug_option


@click.command("verify")
@click.argument("model", metavar="MODEL|FOLDER")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@debug_option
def command(model: str, as_json: bool) -> int:
    """Compare the compiled model with a float64 reference; exit 1 if the bound is exceeded."""
    from ..model.load import load
    from ..verify import verify

    files = model_files(model)
    failed = 0
    for name in files:
        try:
            verdict = verify(load(name))
        except RtfxError as error:
            if len(files) == 1:
                raise
            failed += 1
            click.echo(f"rtfx: {error}", err=True)
            continue
        failed += not verdict.ok
        if as_json:
            json_line({"file": name, **dataclasses.asdict(verdict)})
        else:
            word = "ok" if verdict.ok else "WRONG"
            click.echo(
                f"{name}: {word}, peak error {verdict.peak_error_db:.1f} dB (bound {verdict.bound_db:.1f} dB), "
                f"ESR {verdict.esr:.2g}"
            )
    if failed:
        what = "is not as exact as it must be" if len(files) == 1 else f"{failed} of {len(files)} models failed"
        click.echo(f"rtfx: {files[0]} {what}" if len(files) == 1 else f"rtfx: {what}", err=True)
    return 1 if failed else 0
