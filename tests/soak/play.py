"""An hour on the null device under load: preset changes, many parameter changes, a training, garbage collection.

By hand: ``python -m tests.soak.play --minutes 60``; prints one JSON object, exit 1 if something is wrong.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import json
import os
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import soundfile

import rtfx
from rtfx.engine.layout import LOAD_BIN_OFFSET, LOAD_BIN_SHIFT
from rtfx.engine.rings import Rings
from rtfx.errors import UsageError

from .rig import BLOCK, RATE, kink_bound, soak_rig, tone, turnable

FLOODS = 4
FLOOD_SECONDS = (
    0.02  # all knobs of a thread in turn; one pace on any machine: a take keeps the turns of its last minute
)
MEMORY_GROWTH_MB = 16.0  # after the first quarter


class Load:
    """Threads that disturb the stream: four change parameters, one changes presets, one trains, one makes garbage."""

    def __init__(self, stream: rtfx.Stream, rest: float):
        self.stream, self.rest = stream, rest
        self.turned = self.selected = self.trained = self.collected = 0
        self.losses: list[float] = []
        self.over = threading.Event()
        self.failures: list[str] = []
        work = [self._select, self._train, self._collect, *(lambda n=n: self._flood(n) for n in range(FLOODS))]
        self.threads = [threading.Thread(target=self._guarded, args=(each,), daemon=True) for each in work]
        for thread in self.threads:
            thread.start()

    def _guarded(self, work) -> None:
        try:
            work()
        except Exception as error:  # a disturber that ends would make the soak easier
            self.failures.append(f"{type(error).__name__}: {error}")

    def _flood(self, number: int) -> None:
        generator = np.random.default_rng(number)
        due = time.monotonic()
        while not self.over.is_set():
            due = max(due + FLOOD_SECONDS, time.monotonic())
            for address, low, high in turnable(self.stream.parameters):
                try:
                    self.stream.set(address, float(generator.uniform(low, high)))
                    self.turned += 1
                except UsageError:  # the preset has changed meanwhile
                    break
            time.sleep(max(due - time.monotonic(), 0.0))

    def _select(self) -> None:
        generator = np.random.default_rng(10)
        while not self.over.is_set():
            self.stream.select(int(generator.integers(len(self.stream.presets))))
            self.selected += 1
            time.sleep(float(generator.choice([0.005, 0.05, 0.3, 1.5])))

    def _train(self) -> None:
        """A recurrent net by back-propagation through time, in NumPy: thousands of small calls that hold the GIL."""
        generator = np.random.default_rng(20)
        hidden, steps, batch = 16, 40, 32
        w_in, w = generator.normal(0, 0.4, (hidden, 1)), generator.normal(0, 0.2, (hidden, hidden))
        w_out = generator.normal(0, 0.3, (1, hidden))
        x = generator.normal(0, 1, (steps, 1, batch))
        target = np.tanh(x + 0.5 * np.roll(x, 1, 0))
        while not self.over.is_set():
            begin = time.monotonic()
            states = [np.zeros((hidden, batch))]
            for t in range(steps):
                states.append(np.tanh(w_in @ x[t] + w @ states[-1]))
            errors = [w_out @ states[t + 1] - target[t] for t in range(steps)]
            g_in, g, g_out, d = np.zeros_like(w_in), np.zeros_like(w), np.zeros_like(w_out), np.zeros((hidden, batch))
            for t in reversed(range(steps)):
                d = (d + w_out.T @ errors[t]) * (1.0 - states[t + 1] ** 2)
                g_out += errors[t] @ states[t + 1].T
                g_in += d @ x[t].T
                g += d @ states[t].T
                d = w.T @ d
            for weight, gradient in ((w_in, g_in), (w, g), (w_out, g_out)):
                weight -= 0.02 / (steps * batch) * np.clip(gradient, -500, 500)
            self.losses = [*self.losses[:1], float(np.mean(np.square(errors)))]
            self.trained += 1
            time.sleep(self.rest * (time.monotonic() - begin))

    def _collect(self) -> None:
        while not self.over.wait(0.5):
            rings = [[number] for number in range(50_000)]
            for ring in rings:
                ring.append(ring)
            del rings, ring
            gc.collect()
            self.collected += 1

    def leave(self) -> None:
        self.over.set()
        for thread in self.threads:
            thread.join(5.0)


def resident_mb() -> float:
    """Return the memory that this process holds."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def overruns(stream: rtfx.Stream) -> int:
    """Return the number of blocks whose processing took longer than their duration, however late they started."""
    one = (int(np.float32(1.0).view(np.int32)) >> LOAD_BIN_SHIFT) - LOAD_BIN_OFFSET
    return int(stream.engine.record["load_bins"][one:].sum())


def touch(rings: Rings) -> None:
    """Use all memory of the ring buffers now; otherwise their filling would look like a growth of memory."""
    ahead = rings.head + RATE
    rings.dry[ahead:] = rings.wet[ahead:] = 0.0


def interruptions(stream: rtfx.Stream) -> dict[str, int]:
    """Return how often the kernel took the core from the audio thread, and the page faults that it has had."""
    task = Path(f"/proc/self/task/{int(stream.engine.record['thread'])}")
    status = dict(line.split(":\t", 1) for line in (task / "status").read_text().splitlines())
    minor, _, major = (task / "stat").read_text().rsplit(")", 1)[1].split()[7:10]
    return {"switches": int(status["nonvoluntary_ctxt_switches"]), "faults": int(minor) + int(major)}


def stolen_seconds() -> float:
    """Return how long the virtual machine has waited for a processor, all cores together."""
    return int(Path("/proc/stat").read_text().split()[8]) / os.sysconf("SC_CLK_TCK")


def largest_kink(path: Path) -> tuple[float, bool]:
    """Return (the largest second difference of a recording's frames, whether all are finite)."""
    largest, finite, last = 0.0, True, None
    with soundfile.SoundFile(str(path)) as file:
        for block in file.blocks(RATE * 10, dtype="float32", always_2d=True):
            y = block if last is None else np.concatenate([last, block])
            finite &= bool(np.isfinite(y).all())
            largest = max(largest, float(np.abs(np.diff(y, n=2, axis=0)).max(initial=0.0)))
            last = y[-2:]
    return largest, finite


def soak(seconds: float, folder: Path, settings: int = 64, rest: float = 1.0) -> dict:
    """Play; return the figures and, under "wrong", what is not as it must be."""
    rig = soak_rig(folder)
    take = folder / "soak.wav"
    # The control: the same rig, left in peace. What happens to it, the machine does to anybody.
    control_rig = soak_rig(folder)
    quiet = {"device": "null", "sample_rate": RATE, "block_size": BLOCK, "seconds": seconds}
    memory: list[float] = []
    with control_rig.play(input=tone(), **quiet) as control, rig.play(input=tone(), record=take, **quiet) as stream:
        for each in (control, stream):
            each.engine.record["source_loops"] = 1
            touch(each.engine.rings)
        bound = kink_bound(stream.controller.presets, settings)
        load = Load(stream, rest)
        stolen = stolen_seconds()
        interrupted: list[tuple[dict[str, int], dict[str, int]]] = []
        while not stream.wait(min(seconds / 200.0, 10.0)):
            memory.append(resident_mb())
            with contextlib.suppress(OSError):  # one of the threads has just ended
                interrupted.append((interruptions(stream), interruptions(control)))
        load.leave()
        stats, idle = stream.stats, control.stats
        late, late_idle = overruns(stream), overruns(control)
    settled = len(interrupted) // 4  # the first quarter may still touch new memory
    grown = [
        {key: end[key] - begin[key] for key in end}
        for begin, end in zip(interrupted[settled], interrupted[-1], strict=True)
    ]
    kink, finite = largest_kink(take)
    take.unlink()
    held = memory[len(memory) // 4 :] or [0.0]
    found = {
        "seconds": seconds,
        "blocks": stats.blocks,
        "frames": stats.frames,
        "recorded_frames": stats.recorded_frames,
        "lost_frames": stats.lost_frames,
        "xruns": stats.xruns_in + stats.xruns_out,
        "xruns_of_the_control": idle.xruns_in + idle.xruns_out,
        "overruns": late,
        "overruns_of_the_control": late_idle,
        "switched_out": grown[0]["switches"],
        "switched_out_of_the_control": grown[1]["switches"],
        "page_faults": grown[0]["faults"],
        "page_faults_of_the_control": grown[1]["faults"],
        "stolen_seconds": stolen_seconds() - stolen,
        "load_mean": stats.load_mean,
        "load_mean_of_the_control": idle.load_mean,
        "load_p99": stats.load_p99,
        "load_max": stats.load_max,
        "load_max_of_the_control": idle.load_max,
        "non_finite_blocks": stats.non_finite_blocks,
        "finite": finite,
        "largest_kink": kink,
        "bound": bound,
        "memory_first_mb": memory[0] if memory else 0.0,
        "memory_quarter_mb": held[0],
        "memory_last_mb": held[-1],
        "memory_growth_mb": held[-1] - held[0],
        "parameters_turned": load.turned,
        "presets_selected": load.selected,
        "swaps": int(stream.engine.record["swaps"]),
        "training_steps": load.trained,
        "losses": load.losses,
        "collections": load.collected,
        "realtime": stats.realtime,
    }
    wrong = [f"a disturber ended: {failure}" for failure in load.failures]
    wrong += [] if finite and not stats.non_finite_blocks else ["samples that are not finite"]
    wrong += [] if kink <= bound else [f"a click: a bend of {kink:.4f}, at most {bound:.4f} is sound"]
    wrong += [] if found["memory_growth_mb"] <= MEMORY_GROWTH_MB else ["memory grows"]
    wrong += [] if stats.frames == round(seconds * RATE) else ["frames are missing"]
    wrong += [] if stats.lost_frames == 0 else ["the recorder lost frames"]
    return found | {"wrong": wrong}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--rest", type=float, default=1.0, help="pause after each training step, in its own length")
    flags = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = soak(60.0 * flags.minutes, Path(folder), rest=flags.rest)
    print(json.dumps(found, indent=1))
    return 1 if found["wrong"] else 0


if __name__ == "__main__":
    sys.exit(main())
