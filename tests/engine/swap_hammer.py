"""Run as a process of its own: one thread publishes rigs as fast as it can, another plays faster than real time.

Arguments: how many swaps, and the fade in frames. Prints one JSON object. Freed rigs are poisoned: a use of one crashes
the process or plays NaN.
"""

from __future__ import annotations

import itertools
import json
import os
import sys
import threading
import time

import numpy as np

from rtfx.engine.engine import Engine
from rtfx.engine.engine_rig import EngineRig
from rtfx.engine.process import CALLBACK_KERNEL, DRIVE

from .rigs import RATE, chains, rig

BLOCK = 64
CHUNK = 48000  # frames of one call of DRIVE
FADE, QUICK = 960, 240
VOICES = 4
LEVEL = 0.3
HERTZ = 100.0  # whole periods in a chunk: the signal is continuous over chunks


def sine(frames: int, phase: float = 0.0) -> np.ndarray:
    t = np.arange(frames) / RATE
    return (LEVEL * np.sin(2.0 * np.pi * (HERTZ * t + phase))).astype(np.float32)[:, None]


def step_bound(templates: list[EngineRig]) -> float:
    """Return the largest step that crossfades of these rigs can make.

    A step of the mix is at most the steepest rig's own step times the sum of gains (2 is ample: equal-power pairs reach
    1.42), plus the change of four gains times the loudest rig.
    """
    steepest = loudest = 0.0
    ramp = np.sin(np.pi / 2 * np.minimum(np.arange(1, 4801) / FADE, 1.0))
    for template in templates:
        for phase in (0.0, 0.125, 0.25, 0.375, 0.5):
            engine = Engine(RATE, live=False, limiter=False)
            engine.publish(EngineRig(template.plan, template=template))
            alone = engine.drive(sine(4800, phase), BLOCK)[:, 0]
            steepest = max(steepest, float(np.abs(np.diff(alone * ramp)).max()))
            loudest = max(loudest, float(np.abs(alone).max()))
    return 2.0 * steepest + loudest * (VOICES * np.pi / 2 / FADE + 1.0 / QUICK)


def pin(core: int | None) -> None:
    """Keep the calling thread on one core."""
    if core is not None:
        os.sched_setaffinity(0, {core})


def memory_pages() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1])


def main(swaps: int, fade: int) -> dict:
    templates = [rig(chain) for chain in chains().values()]
    engine = Engine(RATE, live=False, limiter=False)
    engine.record["fade_frames"], engine.record["quick_frames"] = fade, min(fade, QUICK)
    engine.poison = True
    engine.publish(EngineRig(templates[0].plan, template=templates[0]))
    source, target = sine(CHUNK), np.zeros((CHUNK, 1), np.float32)
    DRIVE.address, CALLBACK_KERNEL.address  # noqa: B018
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    publisher_core, driver_core = (cores[0], cores[1]) if len(cores) > 1 else (None, None)
    largest_step, all_finite, done, played = 0.0, True, threading.Event(), 0

    def play():
        nonlocal largest_step, all_finite, played
        pin(driver_core)
        last = None
        while not done.is_set():
            addresses = (CALLBACK_KERNEL.address, engine.address, source.ctypes.data, 1, target.ctypes.data, 1)
            DRIVE(*addresses, CHUNK, BLOCK)
            y = target[:, 0]
            steps = np.abs(np.diff(y if last is None else np.concatenate([[last], y])))
            all_finite &= bool(np.isfinite(y).all())
            largest_step = max(largest_step, float(steps.max()))
            last = y[-1]
            played += CHUNK

    bound = step_bound(templates)
    driver = threading.Thread(target=play)
    pin(publisher_core)
    driver.start()
    published, most_alive, pages = 1, 0, []
    deadline = time.monotonic() + 120.0
    order = np.random.default_rng(0)
    for template in itertools.chain.from_iterable(itertools.repeat(templates)):
        if int(engine.record["swaps"]) >= swaps or time.monotonic() > deadline or not driver.is_alive():
            break
        engine.publish(EngineRig(template.plan, template=template))
        published += 1
        most_alive = max(most_alive, len(engine.rigs))
        if published % 500 == 0:
            pages.append(memory_pages())
        if order.random() < 0.1:  # bursts and pauses: fades overlap, slots run out
            time.sleep(order.random() * 5e-4)
    done.set()
    driver.join(60.0)
    engine.drive(sine(CHUNK), BLOCK)
    engine.reclaim()
    settled = pages[len(pages) // 3 :] or [0]
    return {
        "swaps": int(engine.record["swaps"]),
        "published": published,
        "frames": played,
        "largest_step": largest_step,
        "bound": bound,
        "finite": all_finite,
        "non_finite_blocks": int(engine.record["non_finite"]),
        "alive_at_end": len(engine.rigs),
        "most_alive": most_alive,
        "memory_growth_bytes": (settled[-1] - settled[0]) * os.sysconf("SC_PAGE_SIZE"),
        "separate_cores": driver_core is not None,
    }


if __name__ == "__main__":
    print(json.dumps(main(int(sys.argv[1]), int(sys.argv[2]))))
