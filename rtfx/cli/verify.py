"""``rtfx verify``: checks that a compiled model computes the function that its file describes."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import click

from .collection import judge_each, model_files
from .options import debug_option, inputs_option
from .output import json_line, say, status

if TYPE_CHECKING:
    from ..verify import Verdict

FAILS_ITS_OWN = "fails the test that its own file carries"


@click.command("verify")
@click.argument("model", metavar="MODEL|FOLDER")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, one object on each line.")
@click.option("--loudness-clip", metavar="FILE", help="NAM's loudness_input.wav: test the loudness that files state.")
@inputs_option
@debug_option
def command(model: str, as_json: bool, loudness_clip: str | None, inputs: str | None) -> int:
    """Compare the compiled model with a float64 reference, and run the test that its file contains.

    Knobs are at their defaults and at their ends, and the signal is longer than the net's memory; the worst result is
    printed. The exit code is 1 if the error is above the bound or the file's own test fails.
    """
    from ..model.load import load
    from ..model.read.aidax import batch_test
    from ..verify import Verdict, read_clip, self_tested, verify

    clip = read_clip(loudness_clip) if loudness_clip else None
    files = model_files(model)

    def judge(name: str) -> bool:
        spec = load(name, inputs=inputs)
        verdict = self_tested(verify(spec), spec, batch_test(name, spec), clip)
        if as_json:
            json_line({"file": name, **dataclasses.asdict(verdict)})
        else:
            word = "ok" if verdict.ok else "WRONG"
            say(
                f"{name}: {word}, peak error {verdict.peak_error_db:.1f} dB (bound {verdict.bound_db:.1f} dB)"
                f"{verdict.where}, ESR {verdict.esr:.2g}{_self_test(verdict)}"
            )
            for line in verdict.replaced:
                say(f"{name}: {line}")
        if len(files) == 1 and not verdict.ok:
            own = verdict.self_test == "failed"
            status(f"{name} {FAILS_ITS_OWN if own else 'is not as exact as it must be'}")
        return verdict.ok

    keys = [field.name for field in dataclasses.fields(Verdict)] if as_json else None
    failed = judge_each(files, judge, keys)
    if failed and len(files) > 1:
        status(f"{failed} of {len(files)} models failed")
    return 1 if failed else 0


def _self_test(verdict: Verdict) -> str:
    if verdict.self_test is None:
        return ""
    return f", the file's own test {verdict.self_test} (error {verdict.self_test_error:.2g})"
