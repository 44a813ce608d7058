"""Write a model for another player, and see how near it is: python convert_model.py [MODEL OUT]"""

import sys
import tempfile
from pathlib import Path

import numpy as np

import rtfx

source, target = sys.argv[1:3] if len(sys.argv) > 2 else ("stack.json", str(Path(tempfile.mkdtemp()) / "stack.nam"))
model = rtfx.load(source)
done = model.save(target)  # the suffix says the format; save(target, to="rtneural") names one
print(f"{done.path}: {done.to}, ESR {done.parity.esr:.2g}, max error {done.parity.max_abs_error:.2g}")
for warning in done.warnings:
    print(warning)

guitar = 0.2 * np.random.default_rng(0).standard_normal(48000)
a, b = model(guitar, 48000, bare=True), rtfx.load(target)(guitar, 48000, bare=True)
print(f"played, both differ by {np.abs(a - b).max():.2g} at most")
