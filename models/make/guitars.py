"""Makes models/guitars.flac, a bar of each of seven guitars, on which together with the riff all levels are measured.

For each guitar the script prints the shares of power below 500 Hz and above 2 kHz, and the crest factor.
Of 212 s of recorded guitar in 15 pieces (the training data of Chowdhury's KlonCentaur, 2020) they are 48 to 91 %, 0.2
to 5 % and 14 to 20 dB; of the two guitars of Holmes and van Walstijn (DAFx-15) 91 and 97 %, 0.03 % and 12 to 19 dB. Run
it from the repository, after ``riff.py``: ``python models/make/guitars.py``.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile
from guitar import (
    BRIDGE_HUMBUCKER,
    BRIDGE_SINGLE,
    MIDDLE_SINGLE,
    NECK_HUMBUCKER,
    NECK_SINGLE,
    RATE,
    Guitar,
    Note,
    played,
)

FOLDER = Path(__file__).parents[1]
SECONDS, PAUSE = 1.5, 0.25  # of each clip, and of the pause after it; `rtfx.loading.loudness` has the same numbers
Frets = tuple[int | None, ...]


def strum(beat: float, frets: Frets, beats: float, force: float, spread: float, muted: bool = False) -> list[Note]:
    """Return a chord, its strings one after the other, from the highest if `spread` is negative."""
    sounding = [(string, fret) for string, fret in enumerate(frets) if fret is not None]
    order = sounding if spread >= 0.0 else sounding[::-1]
    return [Note(beat + abs(spread) * i, s, f, beats, force, muted) for i, (s, f) in enumerate(order)]


def line(*notes: tuple[float, int, float], beats: float, force: float, **how) -> list[Note]:
    """Return single notes: beat, string and fret of each."""
    return [Note(beat, string, fret, beats, force, **how) for beat, string, fret in notes]


C_MAJOR, A_MINOR = (None, 3, 2, 0, 1, 0), (None, 0, 2, 2, 1, 0)
FUNK = (None, None, 7, 9, 8, 7)
# name: guitar, seconds a beat, peak in dBFS, notes
CLIPS: dict[str, tuple[Guitar, float, float, list[Note]]] = {
    "open-chords-neck": (
        NECK_SINGLE,
        0.375,
        -9.0,
        [
            *strum(0.0, C_MAJOR, 1.9, 0.6, 0.06),
            *strum(2.0, A_MINOR, 2.0, 0.75, 0.05),
            *strum(3.0, A_MINOR, 1.0, 0.4, -0.04),
        ],
    ),
    "arpeggio-middle-soft": (
        MIDDLE_SINGLE._replace(pick_hz=3000.0),
        0.19,
        -12.0,
        line(
            (0, 1, 3), (1, 2, 2), (2, 3, 0), (3, 4, 1), (4, 5, 0), (5, 4, 1), (6, 3, 0), (7, 2, 2), beats=4.0, force=0.5
        ),
    ),
    "line-neck-tone-down": (
        NECK_HUMBUCKER._replace(coil_hz=1500.0, coil_q=0.8),
        0.19,
        -15.0,
        line(
            (0, 2, 5),
            (1, 2, 7),
            (2, 3, 5),
            (3, 3, 7),
            (4, 4, 5),
            (5, 3, 7),
            (6, 3, 4),
            (7, 2, 7),
            beats=0.95,
            force=0.7,
        ),
    ),
    "funk-middle": (
        MIDDLE_SINGLE,
        0.19,
        -7.0,
        [
            *strum(0.0, FUNK, 0.4, 0.9, 0.02),
            *strum(1.0, FUNK, 0.3, 0.5, -0.02, muted=True),
            *strum(1.5, FUNK, 0.9, 0.8, 0.02),
            *strum(3.0, FUNK, 0.3, 0.5, -0.02, muted=True),
            *strum(4.0, FUNK, 0.8, 0.9, 0.02),
            *strum(5.5, FUNK, 0.4, 0.7, -0.02),
            *strum(6.0, FUNK, 1.8, 0.8, 0.02),
        ],
    ),
    "twang-bridge": (
        BRIDGE_SINGLE,
        0.19,
        -7.0,
        [
            *line((0, 0, 3), (1, 1, 0), (2, 1, 2), (3, 2, 0), beats=0.95, force=0.95),
            *strum(4.0, (None, None, 5, 7, None, None), 1.5, 0.8, 0.01),
            *strum(6.0, (3, 2, 0, 0, 3, 3), 2.0, 0.7, 0.02),
        ],
    ),
    "chugs-bridge-hard": (
        BRIDGE_HUMBUCKER,
        0.18,
        -7.0,
        [
            *(
                note
                for b in (0.0, 1.0, 1.5, 2.0, 4.0, 4.5, 5.5)
                for note in strum(b, (None, 0, 2), 0.45, 0.8, 0.01, True)
            ),
            *strum(3.0, (None, 3, 5, 5), 0.95, 1.0, 0.015),
            *strum(6.0, (5, 7, 7), 0.95, 1.0, 0.015),
            *strum(7.0, (3, 5, 5), 3.0, 1.0, 0.015),
        ],
    ),
    "lead-bridge": (
        BRIDGE_HUMBUCKER,
        0.19,
        -7.0,
        [
            *line((0, 3, 7), beats=2.9, force=1.0, bend=2.0, vibrato=0.2),
            *line((3, 4, 5), (4, 4, 8), beats=0.95, force=0.9),
            *line((5, 3, 7), (6, 2, 7), beats=0.95, force=0.8),
            *line((7, 2, 5), beats=1.0, force=0.9, vibrato=0.3),
        ],
    ),
}


def figures(x: np.ndarray) -> tuple[float, float, float]:
    """Return the shares of power below 500 Hz and above 2 kHz in per cent, and the crest factor in dB."""
    power = np.abs(np.fft.rfft(x)) ** 2
    hertz = np.fft.rfftfreq(x.size, 1.0 / RATE)
    below, above = (100.0 * power[part].sum() / power.sum() for part in (hertz < 500.0, hertz > 2000.0))
    return below, above, 20.0 * np.log10(np.abs(x).max() / np.sqrt(np.mean(x**2)))


def row(name: str, x: np.ndarray) -> str:
    """Return the row of figures for a clip."""
    below, above, crest = figures(x)
    peak = 20.0 * np.log10(np.abs(x).max())
    shares = f"{below:4.1f} % < 500 Hz, {above:4.2f} % > 2 kHz"
    return f"{name:22} {x.size / RATE:4.1f} s, peak {peak:5.1f} dBFS, crest {crest:4.1f} dB, {shares}"


def main() -> None:
    """Make the file, and print the figures of each guitar and of the riff."""
    print(row("riff", soundfile.read(FOLDER / "riff.flac")[0]))
    parts = []
    for seed, (name, (guitar, beat, peak_db, notes)) in enumerate(CLIPS.items()):
        x = played(notes, guitar, SECONDS, beat, peak_db, seed)
        print(row(name, x))
        parts += [x, np.zeros(round(PAUSE * RATE))]
    path = FOLDER / "guitars.flac"
    soundfile.write(path, np.concatenate(parts), RATE, subtype="PCM_16")
    print(f"{path.name}: {path.stat().st_size // 1024} kB")


if __name__ == "__main__":
    main()
