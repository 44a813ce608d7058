"""Reads ``expected.csv``, the one list of what every shared file must do, and the golden pairs that it names.

Rows about files: `outcome` is the family that the file is read as, or the error's class, whose message holds `words`.
Rows about pairs: frame j of the golden output is frame j + `shift` of the stream's, compared from frame `first` on.
`bound` is the largest difference of the float64 evaluator, `engine` that of the compiled net, both in the pair's own
units. `every` is "in 3" where the golden input has a frame for every third of the stream, zeros between, and "out 3"
where the golden output has. `description` is the network around a state_dict, whose files are joined by prefixes.
Pairs that cannot be run are listed with the reason in `words`.
"""

import csv
import json
from pathlib import Path

import numpy as np

ROWS = list(csv.DictReader((Path(__file__).parent / "expected.csv").read_text().splitlines()))
FILES = [row for row in ROWS if not row["output"]]
PAIRS = [row for row in ROWS if row["output"] and row["bound"]]
UNCHECKED = [row for row in ROWS if row["output"] and not row["bound"]]


def model_of(row, shared, folder):
    """Return what the model of a pair is loaded by; a state_dict is joined and described in `folder`."""
    if not row["description"]:
        return row["model"] if row["model"].startswith("random:") else shared / row["model"]
    description = json.loads(row["description"])
    state = {}
    for name, prefix in description.pop("files").items():
        tensors = json.loads((shared / row["model"]).with_name(name).read_text())
        state |= {prefix + key: value for key, value in tensors.items()}
    (folder / "net.json").write_text(json.dumps(state))
    (folder / "net.arch.json").write_text(json.dumps(description))
    return folder / "net.json"


def pair_of(row, shared, inputs):
    """Return input and golden output as ``(channels, frames)``, the input as the stream's."""
    folder = shared / "reference"
    kind, _, step = row["every"].partition(" ")
    if row["input"] == row["output"]:
        x, y = _both(folder / row["output"])
    else:
        x, y = (_one(folder / row[key]) for key in ("input", "output"))
    x = _planar(x, inputs)
    if kind == "in":
        sparse = np.zeros((inputs, int(step) * x.shape[1] + 8))  # the last taps hear what follows the input
        sparse[:, : int(step) * x.shape[1] : int(step)] = x
        x = sparse
    return x, y


def compared(row, found, y):
    """Return the frames of both outputs that must agree."""
    step = int(row["every"].partition(" ")[2]) if row["every"].startswith("out") else 1
    y = _planar(y, len(found))
    shift, first = int(row["shift"]), int(row["first"])
    found = found[:, shift + first * step :: step]
    frames = min(found.shape[1], y.shape[1] - first)
    return found[:, :frames], y[:, first : first + frames]


def _planar(array, channels):
    """Return ``(channels, frames)`` of an array that has either order."""
    if array.ndim == 2 and array.shape[0] == channels:
        return array
    return array.reshape(-1, channels).T


def _one(path):
    if path.suffix == ".csv":
        return np.loadtxt(path, delimiter="," if "," in path.read_text() else None)
    if path.suffix == ".bin":
        return np.frombuffer(path.read_bytes()[4:], "<f8")
    golden = np.load(path)
    return golden if path.suffix == ".npy" else golden["y"]


def _both(path):
    """Return input and output that are in one file."""
    if path.suffix == ".csv":
        return np.loadtxt(path, delimiter=",").T
    content = path.read_bytes()
    return np.frombuffer(content[4:], "<f4").reshape(2, int.from_bytes(content[:4], "little")).astype(np.float64)
