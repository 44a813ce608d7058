"""The scripts that make the documents' tables still run."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_the_table_of_sample_rates():
    """A small linear net survives every method; dilation and linear phase better than -40 dB."""
    command = [sys.executable, "docs/measurements/sample_rates.py", "random:tcn?seed=1&layers=2&channels=2"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in done.stdout.splitlines() if line]
    methods = {row[1]: row[2:5] for row in rows if len(row) == 8 and row[2] in ("dilate", "resample")}
    assert set(methods) == {"48", "88.2", "96", "192"}
    assert methods["88.2"][0] == "dilate" and float(methods["88.2"][1]) < -40.0
    assert all(float(row[2]) < -30.0 for row in methods.values())
    (folded,) = [row for row in rows if len(row) == 4 and row[0] not in ("model", "---")]
    assert all(float(cell) < -20.0 for cell in folded[1:])
