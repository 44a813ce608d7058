"""Measure what oversampling removes and costs: ``python docs/measurements/oversampling.py [MODEL]...``.

Prints the tables of oversampling.md, for the models that are shipped with rtfx and those that are named.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np

import rtfx
from rtfx.analyze import aliasing_ratio
from rtfx.engine.offline import Offline
from rtfx.find import shipped

RATE = 48000
TIMES = (1, 2, 4, 8)
HERTZ = np.geomspace(1000.0, 5000.0, 9)
BLOCK = 64
TONES = (250.0, 1000.0, 3000.0, 5500.0, 8000.0)


def rig(file: str, times: int) -> rtfx.Rig:
    return rtfx.Rig([{"type": "model", "file": file, "oversample": times}], cab="none")


def measured(file: str, times: int) -> tuple[float, float, float, float]:
    """Return the aliasing over 1 to 5 kHz in dB, mean and worst; cost in seconds a second; latency in ms."""
    played = rig(file, times)
    found = [aliasing_ratio(lambda x: played(x, RATE), RATE, hertz) for hertz in HERTZ]
    plan = played.plan(RATE)
    player, x = Offline(plan, block=BLOCK), np.zeros((RATE // 2, 1), np.float32)
    x[:, 0] = 0.1 * np.random.default_rng(0).standard_normal(len(x))
    spent = []
    for _ in range(15):
        begin = time.process_time()
        player.process(x)
        spent.append(time.process_time() - begin)
    mean = 10.0 * np.log10(np.mean(10.0 ** (np.array(found) / 10.0)))
    return float(mean), max(found), min(spent) * RATE / len(x), 1000.0 * plan.latency_frames / RATE


def tone_db(file: str, hertz: float, times: int) -> float:
    """Return the level in dB of a sine of -40 dBFS at its own frequency, after the model."""
    n = np.arange(RATE)
    y = rig(file, times)(np.float32(0.01 * np.sin(2.0 * np.pi * hertz * n / RATE)), RATE)
    return float(20.0 * np.log10(abs(np.dot(y[RATE // 2 :], np.exp(-2j * np.pi * hertz * n[RATE // 2 :] / RATE)))))


def main(files: list[str]) -> None:
    head = ("model", "1x", "2x", "4x", "8x", "tone at 4x", "load at 1x", "2x", "4x", "8x")
    print(f"| {' | '.join(head)} |\n{'|---' * len(head)}|")
    for file in files:
        rows = [measured(file, times) for times in TIMES]
        aliasing = [f"{mean:.1f} ({worst:.1f})" for mean, worst, _, _ in rows]
        tone = max(abs(tone_db(file, hertz, 4) - tone_db(file, hertz, 1)) for hertz in TONES)
        loads = [f"{100.0 * load:.2f} %" for _, _, load, _ in rows]
        loads[1:] = [f"{row[2] / rows[0][2]:.1f}x" for row in rows[1:]]
        print(f"| {Path(file).stem} | {' | '.join(aliasing)} | {tone:.3f} dB | {' | '.join(loads)} |", flush=True)


if __name__ == "__main__":
    main([*sorted(str(path) for path in (shipped() / "models").glob("*.json")), *sys.argv[1:]])
