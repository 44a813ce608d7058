"""A chain in Python: a gate, a pedal, an amp, an equaliser and a cabinet, as a function of arrays: python chain.py"""

import numpy as np

import rtfx

rig = rtfx.Rig(
    [
        {"type": "gate", "threshold_db": -60},
        {"type": "klon", "gain": 0.6, "tone": 0.4},
        {"type": "model", "id": "amp", "file": "amp.json", "drive": 0.3},
        {"type": "eq", "low_cut_hz": 80, "bell1_hz": 400, "bell1_db": -3},
        "open-2x12.wav",
    ]
)
rate = 48000
t = np.arange(rate) / rate
guitar = 0.3 * np.sin(2 * np.pi * 110 * t) * np.exp(-3 * t)

wet = rig(guitar, rate)  # (n,) in, (n,) out, float32
print(f"peak {20 * np.log10(np.abs(wet).max()):.1f} dBFS, {len(wet)} frames")
for note in rig.notes:
    print(note)
