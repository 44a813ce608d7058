"""What ``rtfx verify --realtime`` prints: the certificate of a model's audio thread, and the GIL test."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from .collection import judge_each
from .output import json_line, say, status

if TYPE_CHECKING:
    from ..certificate import Certificate
    from ..gil import GilTest


def certify_files(files: list[str], compat: str | None, inputs: str | None, jack: bool, as_json: bool) -> int:
    """Print a certificate for each model; return the exit code: 1 if one is refused or a file cannot be read."""
    from ..certificate import Certificate, certify
    from ..model.load import load

    def judge(name: str) -> bool:
        spec = load(name, compat, inputs)
        status(f"{name}: compiling all that its audio thread runs, for inspection")
        certificate = certify(spec)
        tested = None
        if jack:
            from ..gil import gil_test

            tested = gil_test(spec)
        ok = certificate.ok and (tested is None or tested.ok)
        if as_json:
            held = {"gil_test": dataclasses.asdict(tested)} if tested else {}
            json_line({"file": name, **dataclasses.asdict(certificate), "ok": ok, **held})
        else:
            say("\n".join([_text(name, certificate), *([_held(tested)] if tested else [])]))
        return ok

    keys = [field.name for field in dataclasses.fields(Certificate)] if as_json else None
    failed = judge_each(files, judge, keys)
    if failed:
        status(f"{failed} of {len(files)} models are not safe on the audio thread")
    return 1 if failed else 0


def _text(name: str, found: Certificate) -> str:
    if not found.ok:
        wrong = [f"  {kernel}: {line}" for kernel, lines in found.violations.items() for line in lines]
        return "\n".join([f"{name}: NOT safe on the audio thread", *wrong])
    return "\n".join(
        [
            f"{name}: safe on the audio thread: {found.functions} compiled functions, "
            f"{found.inner_functions} functions inside them",
            "  status: each of them returns 0 only, so none can raise, and Python is never called",
            f"  calls: {', '.join(found.callees)}; nothing else",
            "  no allocation, no lock, no file, no GIL",
        ]
    )


def _held(found: GilTest) -> str:
    word = "passed" if found.ok else "FAILED"
    return (
        f"  GIL held for {found.held_seconds:.1f} s on JACK: {word}: the compiled callback played "
        f"{found.compiled_blocks} of {found.expected_blocks} blocks of {found.block_frames} frames, "
        f"one in Python {found.python_blocks}; xruns {found.xruns}, real-time priority: {found.realtime}"
    )
