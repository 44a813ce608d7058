"""``rtfx render take.dry.wav out.wav take.yaml``: a take as it was played, bit for bit."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import click
from click.core import ParameterSource

from ..errors import UsageError
from ..rig_arguments import RigFlags
from .output import status


def is_take(what: str) -> bool:
    """Tell whether `what` is a take to be played as it was; any flag for the rig makes it a set list like others."""
    source = click.get_current_context().get_parameter_source
    if any(source(field.name) not in (None, ParameterSource.DEFAULT) for field in fields(RigFlags)):
        return False
    from ..live.take.replay import take_in

    return take_in(what)


def render_take(paths: tuple[str, ...], what: str, more: dict[str, Any]) -> int:
    """Render one recording through a take and return the exit code."""
    wrong = [f"--{name}" for name in ("mono", "block", "rate") if more[name]]
    if len(paths) != 2 or wrong:
        found = ", ".join(wrong) or f"{len(paths)} paths"
        raise UsageError(f"found {found}, expected IN OUT {what}: a take is rendered as it was played")
    from ..host.files import render_file
    from ..live.take.replay import Replay

    replay = Replay(what)
    encoding = f"PCM_{more['bits']}" if more["bits"] else "FLOAT"
    done = render_file(replay.process, paths[0], paths[1], encoding, overwrite=more["overwrite"])
    exact = "" if replay.warnings else ", bit for bit what was heard"
    status(f"rendered {done.frames_out / done.sample_rate:.1f} s of {what}{exact}")
    for warning in done.warnings:
        status(warning)
    for warning in replay.warnings:
        status(f"{what}: not bit for bit what was heard: {warning}")
    return 0
