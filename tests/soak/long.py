"""A day of audio faster than real time: no drift, no growth of values, no slower blocks in silence and decaying notes.

By hand: ``python -m tests.soak.long --hours 24 klon.json``; prints one JSON object, exit 1 if something is wrong.
"""

from __future__ import annotations

import argparse
import json
import sys
import time

import numpy as np

import rtfx
from rtfx.engine.offline import Offline

from .rig import BLOCK, RATE, tone

HOUR = 3600
PROBE_SECONDS = 4  # the same sound every hour, after the same silence
QUIET_SECONDS = 8
DRIFT = 1e-5  # of the probe's peak: -100 dB
SLOWER = 1.5  # the last hour's time per block over the first's, and silence's over sound's


def seconds_of_an_hour(seconds: int, generator: np.random.Generator):
    """Yield (kind, one second of input): a probe behind silence, then notes, noise, dying notes and silence."""
    kinds = ["silence"] * QUIET_SECONDS + ["probe"] * PROBE_SECONDS
    parts = ["notes", "noise", "dying", "silence"]
    kinds += [parts[(n // 15) % 4] for n in range(max(seconds - len(kinds), 0))]
    time_in_second = np.arange(RATE) / RATE
    for number, kind in enumerate(kinds[:seconds]):
        if kind == "silence":
            x = np.zeros(RATE)
        elif kind == "probe":
            x = tone(RATE)
        elif kind == "notes":
            hertz = 82.4 * 2.0 ** (generator.integers(36) / 12.0)
            x = 0.5 * np.sin(2 * np.pi * hertz * time_in_second) * np.exp(-3.0 * time_in_second)
        elif kind == "noise":
            x = 0.2 * generator.standard_normal(RATE)
        else:  # a note that dies through all denormal numbers: from 1e-1 to 1e-50 in fifteen seconds
            decades = 1.0 + 49.0 * ((number % 15) + time_in_second) / 15.0
            x = np.sin(2 * np.pi * 110.0 * time_in_second) * 10.0**-decades
        yield kind, np.asarray(x, np.float32)[:, None]


def soak(model: str, hours: int, seconds_an_hour: int = HOUR) -> dict:
    """Render three hours or more; return the figures and, under "wrong", what is not as it must be."""
    rig = rtfx.Rig.from_yaml(model) if model.endswith(".yaml") else rtfx.Rig([model])
    offline = Offline(rig.plan(float(RATE)), block=BLOCK)
    probes, hourly, by_kind, largest, finite = [], [], {}, 0.0, True
    generator = np.random.default_rng(0)
    begin = time.monotonic()
    for _ in range(hours):
        spent, probe = [], []
        for kind, x in seconds_of_an_hour(seconds_an_hour, generator):
            start = time.thread_time()
            y = offline.process(x)
            spent.append(time.thread_time() - start)
            by_kind.setdefault(kind, []).append(spent[-1])
            finite &= bool(np.isfinite(y).all())
            largest = max(largest, float(np.abs(y).max()))
            if kind == "probe":
                probe.append(y)
        hourly.append(float(np.median(spent)))
        probes.append(np.concatenate(probe))
    settled = probes[1]  # the first hour's is heard after the prewarm instead of an hour's sound
    peak = float(np.abs(settled).max())
    drift = [float(np.abs(probe - settled).max()) / peak for probe in probes[1:]]
    medians = {kind: float(np.median(times)) for kind, times in by_kind.items()}
    blocks = RATE / BLOCK
    found = {
        "model": model,
        "hours": hours * seconds_an_hour / HOUR,
        "frames": int(offline.engine.clock),
        "took_seconds": time.monotonic() - begin,
        "times_real_time": hours * seconds_an_hour / (time.monotonic() - begin),
        "finite": finite,
        "non_finite_blocks": offline.non_finite_blocks,
        "peak": largest,
        "largest_drift": max(drift),
        "first_hour_us_per_block": 1e6 * hourly[0] / blocks,
        "last_hour_us_per_block": 1e6 * hourly[-1] / blocks,
        "last_hour_over_first": hourly[-1] / hourly[0],
        "us_per_block": {kind: 1e6 * seconds / blocks for kind, seconds in medians.items()},
    }
    sound = min(medians["notes"], medians["noise"])
    wrong = [] if finite and not offline.non_finite_blocks else ["samples that are not finite"]
    wrong += [] if max(drift) <= DRIFT else [f"drift: the same sound differs by {max(drift):.1e} of its peak"]
    wrong += [] if hourly[-1] <= SLOWER * hourly[0] else ["slower in the end than in the beginning"]
    wrong += [f"{kind} is slow" for kind in ("silence", "dying") if medians[kind] > SLOWER * sound]
    return found | {"wrong": wrong}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", nargs="?", default="klon.json")
    parser.add_argument("--hours", type=int, default=24)
    flags = parser.parse_args()
    found = soak(flags.model, flags.hours)
    print(json.dumps(found, indent=1))
    return 1 if found["wrong"] else 0


if __name__ == "__main__":
    sys.exit(main())
