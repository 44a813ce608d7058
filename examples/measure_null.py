"""How near is a model to what it imitates? ESR and the null test: python measure_null.py [MODEL DRY.wav WET.wav]"""

import sys

import numpy as np
import soundfile

import rtfx

rate = 48000
if len(sys.argv) > 3:
    model = rtfx.load(sys.argv[1])
    dry, rate = soundfile.read(sys.argv[2])
    wet, _ = soundfile.read(sys.argv[3])
else:  # nothing named: the net of the shipped pedal against the same net, a little softer
    model = rtfx.load("klon.json", gain=0.5)
    t = np.arange(rate) / rate
    dry = 0.3 * np.sin(2 * np.pi * 110 * t) * np.exp(-3 * t)
    wet = 0.99 * model(dry, rate, bare=True)

played = model(dry, rate, bare=True)[: len(wet)].astype(np.float64)
gain = np.dot(played, wet) / np.dot(played, played)  # the level at which they cancel best
rest = wet - gain * played
print(f"ESR {np.sum((wet - played) ** 2) / np.sum(wet**2):.3g}")
print(f"null: {10 * np.log10(max(np.sum(rest**2), 1e-30) / np.sum(wet**2)):.1f} dB, at {20 * np.log10(gain):+.2f} dB")
