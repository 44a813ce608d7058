"""Print the table of tuner.md: ``PYTHONPATH=. python docs/measurements/tuner.py``."""

import math

import numpy as np

from rtfx.pitch import WINDOW_SECONDS, find_pitch
from tests.strings import RATE, additive, hum, karplus_strong, noise

SILENCE = 0.3
AFTER = 0.12, 0.3  # s after the pluck


def off(hertz, b, seconds, seed, glide=0.0, mains=0.0, other=0.0, loop=False):
    """Return the error in cents, None without a reading."""
    string = karplus_strong(hertz, 0.5, seed=seed) if loop else additive(hertz, b, 0.5, glide_cents=glide, seed=seed)
    audio = 0.4 * string[0] / np.abs(string[0]).max()
    if other:
        audio = audio + other * 0.4 * additive(hertz * 4.0 / 3.0 * 1.003, 1e-4, 0.5, seed=seed + 1)[0]
    rms_db = 20.0 * math.log10(math.sqrt(float(np.mean(audio**2))))
    heard = np.concatenate([np.zeros(round(SILENCE * RATE)), audio])
    heard += noise(len(heard), rms_db - 40.0, seed) + (
        hum(mains, len(heard), db=rms_db - 40.0, seed=seed) if mains else 0
    )
    end = round((SILENCE + seconds) * RATE)
    found = find_pitch(heard[end - round(WINDOW_SECONDS * RATE) : end], RATE)
    if found is None:
        return None
    return 1200.0 * math.log2(found.hertz / string[1][round((seconds - found.seconds_ago) * RATE)])


def main():
    ways = {
        "B = 0": {"b": 0.0},
        "B = 1e-4": {},
        "B = 5e-4": {"b": 5e-4},
        "Karplus and Strong": {"loop": True},
        "glide of 10 cents": {"glide": 10.0},
        "hum of 50 Hz at -40 dB": {"mains": 50.0},
        "hum of 60 Hz at -40 dB": {"mains": 60.0},
        "a fourth above, 20 dB softer": {"other": 0.1},
        "a fourth above, 10 dB softer": {"other": 0.316},
    }
    for name, how in ways.items():
        cells = []
        for seconds in AFTER:
            found = [
                off(
                    hertz * 2.0 ** (seed / 60.0),
                    how.get("b", 1e-4),
                    seconds,
                    seed,
                    **{k: v for k, v in how.items() if k != "b"},
                )
                for hertz in np.geomspace(27.5, 1350.0, 30)
                for seed in range(3)
            ]
            known = np.abs([cents for cents in found if cents is not None])
            cells += [
                f"{np.median(known):.3f}",
                f"{np.quantile(known, 0.95):.2f}",
                f"{known.max():.2f}",
                f"{len(found) - len(known)}",
            ]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


main()
