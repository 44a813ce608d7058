"""Shows a plan: the steps that the audio thread runs for each block of a chain, and the buffers between them."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..kernels.jit import REGISTRY
from .arena import BUFFER, RIG, STEP
from .chain import Plan


def step_records(plan: Plan) -> np.ndarray:
    """Return the STEP records of a plan, as a view of its arena."""
    record = plan.arena[: RIG.itemsize].view(RIG)[0]
    first = int(record["steps"])
    return plan.arena[first : first + int(record["step_count"]) * STEP.itemsize].view(STEP)


def steps_of(plan: Plan) -> list[dict[str, Any]]:
    """Return a dictionary a step, in the order in which they run.

    Keys: `block` (its id in the chain, "" for what belongs to none), `kernel` (its name), `source`, `target` and
    `extra` (buffer and row, as ``"3.0"``), `domain` (0: it runs at the stream's rate, else at a model's own), `weights`
    (where its weights begin, bytes).
    """
    found = []
    for step in step_records(plan):
        kernel = REGISTRY.get(int(step["kernel"]))
        index = int(step["block"])
        extra = [f"{b}.{row}" for b, row in zip(step["extra"], step["extra_row"], strict=True) if b >= 0]
        found.append(
            {
                "block": plan.blocks[index].source.id if 0 <= index < len(plan.blocks) else "",
                "kernel": _name(kernel.name) if kernel else "unknown",
                "source": f"{step['source']}.{step['source_row']}",
                "target": f"{step['target']}.{step['target_row']}",
                "extra": extra,
                "domain": int(step["domain"]),
                "weights": int(step["weights"]),
            }
        )
    return found


def _name(kernel: str) -> str:
    """Return the last part of a kernel's name that says something."""
    *rest, last = kernel.split(".")
    return rest[-1] if last == "process" and rest else last


def buffers_of(plan: Plan) -> list[dict[str, int]]:
    """Return a dictionary a buffer: its number, `rows`, and the frames of `history` that it keeps."""
    record = plan.arena[: RIG.itemsize].view(RIG)[0]
    buffers = plan.arena[record["buffers"] :][: record["buffer_count"] * BUFFER.itemsize].view(BUFFER)
    return [
        {"buffer": number, "rows": int(buffer["rows"]), "history": int(buffer["history"])}
        for number, buffer in enumerate(buffers)
    ]


def shown(plan: Plan) -> str:
    """Return steps and buffers as text, a line each, with the bytes of the whole."""
    lines = [f"plan: {plan.arena.size} bytes, weights {plan.weights.nbytes} bytes, at {plan.sample_rate:g} Hz"]
    for number, step in enumerate(steps_of(plan)):
        extra = f" with {', '.join(step['extra'])}" if step["extra"] else ""
        rate = f", rate {step['domain']}" if step["domain"] else ""
        way = f"{step['source']} -> {step['target']}{extra}{rate}"
        lines.append(f"{number:4}  {step['block']:<12}  {step['kernel']:<44}  {way}")
    lines.append("buffers (number: rows, frames of history):")
    lines += [f"{each['buffer']:4}: {each['rows']}, {each['history']}" for each in buffers_of(plan)]
    return "\n".join(lines)
