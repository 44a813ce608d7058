"""Numbers by which two rigs are known to be alike: in what they compute, or in where their state lies."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np

from ..kernels.jit import Kernel
from .builder import Builder


def graph(builder: Builder) -> int:
    """Return a number that two rigs share if they differ in weights and parameters only."""
    places: dict[int, int] = {}  # buffers in the order in which they are met: what is left out does not count
    facts = [
        (s.kernel.name, [(places.setdefault(b.buffer, len(places)), b.row) for b in (s.source, s.target, *s.extra)])
        + (sorted(map(str, s.fields)),)
        for s in builder.steps
        if s.block not in builder.alike
    ]
    return _number([facts, sorted(builder.alike)])


def layout(builder: Builder) -> int:
    """Return a number that two rigs share if the state of one means the same in the other, and lies at its place."""
    steps = [
        (s.kernel.name, s.dtype.itemsize, s.source, s.target, s.extra, s.domain, s.block, s.guarded)
        + tuple(
            (name, value) for name, value in sorted(s.fields.items()) if np.ndim(value) == 0 or isinstance(value, tuple)
        )
        for s in builder.steps
    ]
    return _number([steps, builder.buffers, builder.domains, len(builder.cells)])


def digest(kernels: Iterable[Kernel]) -> str:
    """Return eight digits that differ where other kernels are called."""
    names = "\n".join(sorted(kernel.name for kernel in kernels))
    return hashlib.sha256(names.encode()).hexdigest()[:8]


def _number(facts: object) -> int:
    return int.from_bytes(hashlib.sha256(repr(facts).encode()).digest()[:7], "little")
