"""Render every audio file of a folder through a rig: python render_folder.py [FOLDER_IN FOLDER_OUT]"""

import sys
import tempfile
from pathlib import Path

import numpy as np
import soundfile

import rtfx

if len(sys.argv) == 3:
    source, target = map(Path, sys.argv[1:])
else:  # nothing named: two files, made on the fly
    source = Path(tempfile.mkdtemp())
    target = source / "wet"
    t = np.arange(48000) / 48000
    for hz in (110, 220):
        soundfile.write(source / f"{hz}.wav", 0.3 * np.sin(2 * np.pi * hz * t) * np.exp(-3 * t), 48000)
target.mkdir(parents=True, exist_ok=True)

rig = rtfx.Rig(["klon.json", {"type": "model", "file": "amp.json", "drive": 0.4}, "open-2x12.wav"])
for path in sorted([*source.glob("*.wav"), *source.glob("*.flac")]):
    done = rig.render(path, target / f"{path.stem}.wav", encoding="FLOAT")
    print(f"{path.name}: {done.frames_out / done.sample_rate:.2f} s, {done.channels} channel(s)")
