"""Train a model on a dry and a wet recording: python train_pair.py [DRY.wav WET.wav MY.json [MINUTES]]"""

import sys
import tempfile
from pathlib import Path

import numpy as np
import soundfile

from rtfx.train.fit import Plan
from rtfx.train.run import Goal, Recording, read_material, train

if len(sys.argv) > 3:
    dry, wet, out = map(Path, sys.argv[1:4])
    plan = Plan(minutes=float(sys.argv[4]) if len(sys.argv) > 4 else 5.0)
else:  # nothing named: twenty seconds of plucked notes through a soft clipper, and two rounds
    folder = Path(tempfile.mkdtemp())
    dry, wet, out = folder / "dry.wav", folder / "wet.wav", folder / "my.json"
    random = np.random.default_rng(0)
    t = np.arange(12000) / 48000
    notes = random.uniform(80, 700, 78)
    x = np.concatenate([random.uniform(0.1, 0.8) * np.sin(2 * np.pi * hz * t) * np.exp(-8 * t) for hz in notes])
    x = np.concatenate([np.zeros(24000), x])  # silence, in which the noise is measured
    soundfile.write(dry, x, 48000, subtype="FLOAT")
    soundfile.write(wet, np.tanh(4 * x) / 2, 48000, subtype="FLOAT")
    plan = Plan(rounds=2)

material = read_material([Recording(dry, wet)], print)
trained = train(material, Goal(out, "gru8"), plan, after=lambda report: print(f"ESR {100 * report.esr:.2f} %"))
print(f"{out}: ESR {100 * trained.esr:.2f} % on the part held back; hear it: rtfx play {out}")
