"""``rtfx convert``: a model in another format, compared with the original. Imports no Numba."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import click

from ..errors import UsageError
from .options import debug_option, inputs_option
from .output import json_line, say, status


@click.command("convert")
@click.argument("source", metavar="IN")
@click.argument("target", metavar="OUT")
@click.option("--to", metavar="FORMAT", help="rtfx, rtneural, nam, aidax or proteus (default: by the suffix of OUT).")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("-y", "overwrite", is_flag=True, help="Overwrite OUT if it exists.")
@inputs_option
@debug_option
def command(source: str, target: str, to: str | None, as_json: bool, overwrite: bool, inputs: str | None) -> int:
    """Write the model IN in another format, load what was written and compare the two.

    IN is any model that rtfx loads, such as a PyTorch export (.pt2). If the format cannot hold the model, the exit
    code is 1, and the error names the layer and the formats that can hold it.
    """
    from ..model.load import load
    from ..model.write.save import check_folder, convert, format_of

    to = format_of(target, to)
    if Path(target).exists() and not overwrite:
        raise UsageError(f"{target} exists: overwrite it with -y, or name another file")
    check_folder(Path(target))
    spec = load(source, inputs=inputs)
    done = convert(spec, target, to)
    for warning in (*spec.warnings, *done.warnings):
        status(f"{source}: {warning}")
    if as_json:
        facts = {"file": source, "out": target, "to": to, "warnings": [*spec.warnings, *done.warnings]}
        json_line({**facts, **dataclasses.asdict(done.parity)})
    else:
        found = done.parity
        relative = f" ({found.peak_error_db:.1f} dB of the peak)" if found.max_abs_error else ""
        error = f"max error {found.max_abs_error:.2g}{relative}, ESR {found.esr:.2g}"
        say(f"{target}: {to}, {error} over {found.frames} frames")
    if not done.parity.same:
        status(f"{target} does not render the same, see above: listen before you use it")
    return 0
