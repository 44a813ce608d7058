"""Shows a plan as text: the steps that the audio thread runs for each block of a chain."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import numpy as np

from ..kernels.state import STATE
from .arena import BUFFER, RIG, STEP

if TYPE_CHECKING:
    from ..kernels.kernel import Kernel
    from .chain import Plan

DEBUG = "RTFX_DEBUG"  # environment variable: 1 prints the steps of every plan, 2 also what was compiled or loaded
_told: set[str] = set()  # names of the kernels that have been printed


def step_records(plan: Plan) -> np.ndarray:
    """Return the STEP records of a plan, as a view of its arena."""
    record = plan.arena[: RIG.itemsize].view(RIG)[0]
    first = int(record["steps"])
    return plan.arena[first : first + int(record["step_count"]) * STEP.itemsize].view(STEP)


def steps_of(plan: Plan) -> list[dict[str, Any]]:
    """Return one dictionary per step, in the order in which the steps run.

    Keys: `block` (the block's id in the chain, "" if the step belongs to none), `node` (the kind of node that it
    computes, "" outside models), `kernel` (its name), `shape` (the numbers that it was compiled for, its tile among
    them), `inputs` and `outputs` (rows), `history` (past frames that its input buffer keeps), `bytes` (size of its
    state), `weights` (offset of its weights in bytes), `source`, `target` and `extra` (buffer and row, as ``"3.0"``),
    `domain` (0 at the stream's rate, above 0 at a model's own).
    """
    record = plan.arena[: RIG.itemsize].view(RIG)[0]
    buffers = plan.arena[record["buffers"] :][: record["buffer_count"] * BUFFER.itemsize].view(BUFFER)
    records = step_records(plan)
    ends = [*records["state"][1:], int(buffers["start"][0] - 4 * buffers["history"][0])]
    found = []
    for step, kernel, node, end in zip(records, plan.calls, plan.nodes, ends, strict=True):
        index, first = int(step["block"]), int(step["state"])
        state = plan.arena[first : first + STATE.itemsize].view(STATE)[0]
        extra = [f"{b}.{row}" for b, row in zip(step["extra"], step["extra_row"], strict=True) if b >= 0]
        found.append(
            {
                "block": plan.blocks[index].source.id if 0 <= index < len(plan.blocks) else "",
                "node": node,
                "kernel": _name(kernel),
                "shape": kernel.shape,
                "inputs": int(state["inputs"]),
                "outputs": int(state["outputs"]),
                "history": int(buffers["history"][step["source"]]),
                "bytes": int(end) - first,
                "weights": int(step["weights"]),
                "source": f"{step['source']}.{step['source_row']}",
                "target": f"{step['target']}.{step['target_row']}",
                "extra": extra,
                "domain": int(step["domain"]),
            }
        )
    return found


def _name(kernel: Kernel) -> str:
    """Return the part of a kernel's name that tells kernels apart, without its shape."""
    suffix = "".join(f"_{name}{value}" for name, value in kernel.shape.items())
    *rest, last = kernel.name.removesuffix(suffix).split(".")
    return rest[-1] if last == "process" and rest else last


def shown(plan: Plan) -> str:
    """Return a plan as text: a line with its size in bytes, then one line for each step."""
    lines = [
        f"plan: {plan.arena.size} bytes, weights {plan.weights.nbytes} bytes, at {plan.sample_rate:g} Hz",
        "step  block         node        kernel              rows        history    bytes  buffers and shape",
    ]
    for number, step in enumerate(steps_of(plan)):
        extra = f" with {', '.join(step['extra'])}" if step["extra"] else ""
        rate = f", rate {step['domain']}" if step["domain"] else ""
        shape = "".join(f", {name} {value}" for name, value in step["shape"].items())
        rows = f"{step['inputs']} > {step['outputs']}"
        lines.append(
            f"{number:4}  {step['block']:<12}  {step['node']:<10}  {step['kernel']:<18}  {rows:<9}  "
            f"{step['history']:8}  {step['bytes']:7}  {step['source']} > {step['target']}{extra}{rate}{shape}"
        )
    return "\n".join(lines)


def routes_of(plan: Plan) -> list[dict[str, Any]]:
    """Return what each block does to the sound's channels and time, in the order of the chain.

    Returns
    -------
    list of dict
        `block`, `type`, `branch` (which path of which routing blocks it is on, from 0), `inputs` and `outputs` (numbers
        of channels), `late_frames` (by how much it delays the sound), and of a routing block `aligned_frames`: by how
        much the plan delays each path, so that all are in time.
    """
    return [
        {
            "block": block.source.id,
            "type": block.source.effect.type,
            "branch": [list(path) for path in block.source.branch],
            "inputs": block.inputs,
            "outputs": block.outputs,
            "late_frames": block.source.latency(plan.sample_rate),
            "aligned_frames": list(block.late),
        }
        for block in plan.blocks
    ]


def routes_text(plan: Plan) -> str:
    """Return the chain as text, a line for each block, those on a path of a routing block indented below it."""
    lines = [f"{plan.inputs} in, {plan.outputs} out, {plan.latency_frames} frames late at {plan.sample_rate:g} Hz"]
    sides = {1: "mono", 2: "stereo"}
    for route in routes_of(plan):
        *_, path = route["branch"] or [("", -1)]
        place = f"path {path[1] + 1}: " if path[1] >= 0 else ""
        name = route["block"] if route["block"] == route["type"] else f"{route['block']} ({route['type']})"
        widths = [sides.get(count, f"{count} channels") for count in (route["inputs"], route["outputs"])]
        said = widths[0] if widths[0] == widths[1] else " to ".join(widths)
        said += f", {route['late_frames']} frames late" if route["late_frames"] else ""
        if any(route["aligned_frames"]):
            said += f", paths delayed by {', '.join(map(str, route['aligned_frames']))} frames to be in time"
        lines.append(f"{'  ' * (1 + len(route['branch']))}{place}{name}: {said}")
    return "\n".join(lines)


def tell(plan: Plan) -> None:
    """Print a new plan on standard error if the user has set `DEBUG`. [control thread]"""
    level = os.environ.get(DEBUG, "")
    if level not in ("1", "2"):
        return
    print(shown(plan), file=sys.stderr)
    for kernel in plan.kernels if level == "2" else ():
        if kernel.name not in _told:
            _told.add(kernel.name)
            done = "loaded" if kernel.from_cache else "compiled"
            print(f"{kernel.name}: {done} in {1000.0 * kernel.compile_seconds:.1f} ms", file=sys.stderr)
