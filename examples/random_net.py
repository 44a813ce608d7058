"""Nets that nobody trained: draw some, and keep the brightest: python random_net.py [HOW_MANY]"""

import sys

import numpy as np

import rtfx

count = int(sys.argv[1]) if len(sys.argv) > 1 else 4
rate = 48000
t = np.arange(rate) / rate
string = sum(np.sin(2 * np.pi * 110 * k * t) / k**2 for k in range(1, 30))
guitar = 0.2 * string * np.exp(-3 * t)


def brightness(sound: np.ndarray) -> float:
    """Return the middle of the spectrum's power, in Hz."""
    power = np.abs(np.fft.rfft(sound)) ** 2
    return float(np.sum(np.fft.rfftfreq(len(sound), 1 / rate) * power) / max(np.sum(power), 1e-12))


found = {}
for seed in range(count):  # the seed is the preset
    net = f"random:tcn?seed={seed}&layers=4&activation=sine30"
    found[net] = brightness(rtfx.load(net)(guitar, rate))
    print(f"{net}: {found[net]:.0f} Hz")
print(f"the brightest: rtfx play '{max(found, key=found.__getitem__)}'")
