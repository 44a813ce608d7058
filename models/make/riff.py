"""Makes models/riff.flac: fifteen seconds of dry electric guitar, the clip that plays where there is no guitar.

The guitar is that of `guitar.py`, a single coil between bridge and middle. Run it from the repository: ``python
models/make/riff.py``.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile
from guitar import MIDDLE_SINGLE, RATE, Note, played

SECONDS = 15.0
BEAT = 60.0 / 112.0
GUITAR = MIDDLE_SINGLE._replace(pickup=0.12)
PEAK_DB = -6.0


def score() -> list[Note]:
    """Return the riff: four bars of muted eighths and power chords, a run with a bend, open chords at the end."""
    notes: list[Note] = []

    def chord(beat, frets, beats=1.0, force=0.8, muted=False, spread=0.02):
        for string, fret in enumerate(frets):
            if fret is not None:
                notes.append(Note(beat + spread * string, string, fret, beats, force, muted))

    def chug(beat, frets=(0, 2, None, None, None, None), force=0.7):
        chord(beat, frets, 0.45, force, muted=True, spread=0.008)

    for bar, root in enumerate((0, 0, 3, 5)):  # E, E, G, A
        at = 4.0 * bar
        low = (root, root + 2, root + 2, None, None, None)
        chord(at, low, 0.9, 0.95)
        for eighth in (1.0, 1.5, 2.0):
            chug(at + eighth, (root, root + 2, None, None, None, None), 0.6 + 0.1 * (eighth == 1.0))
        chord(at + 2.5, (root + 3, root + 5, root + 5, None, None, None), 0.45, 0.85)
        chord(at + 3.0, (root + 2, root + 4, root + 4, None, None, None), 0.45, 0.8)
        chug(at + 3.5, (root, root + 2, None, None, None, None), 0.75)
    run = ((3, 9), (3, 11), (4, 8), (4, 10), (5, 7), (4, 10), (5, 7), (5, 10))
    for i, (string, fret) in enumerate(run):
        notes.append(Note(16.0 + 0.25 * i, string, fret, 0.3, 0.7 + 0.04 * i))
    notes.append(Note(18.0, 4, 12, 2.0, 0.95, bend=2.0, vibrato=0.25))
    notes.append(Note(20.0, 5, 10, 0.5, 0.8))
    notes.append(Note(20.5, 4, 12, 0.5, 0.8, bend=-0.0))
    notes.append(Note(21.0, 4, 10, 0.9, 0.8, bend=1.0, bend_beats=0.5))
    notes.append(Note(22.0, 3, 9, 1.0, 0.75, vibrato=0.3))
    chord(23.0, (0, 2, 2, 1, 0, 0), 2.0, 0.7, spread=0.045)
    chord(25.0, (0, 2, 2, 0, 0, 0), 3.0, 0.9, spread=0.03)
    return notes


def riff() -> np.ndarray:
    """Return the clip, float64, (frames,)."""
    return played(score(), GUITAR, SECONDS, BEAT, PEAK_DB, seed=7)


if __name__ == "__main__":
    path = Path(__file__).parents[1] / "riff.flac"
    clip = riff()
    soundfile.write(path, clip, RATE, subtype="PCM_16")
    print(f"{path.name}: {clip.size / RATE:g} s at {RATE} Hz, {path.stat().st_size // 1024} kB")
