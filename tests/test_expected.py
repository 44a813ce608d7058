"""Every shared file and golden pair does what ``expected.csv`` says, in blocks of 1, of 64 and of random sizes."""

import csv

import numpy as np
import pytest

from rtfx import api, errors
from rtfx.engine.offline import Offline
from rtfx.model.load import load
from rtfx.model.reference import evaluate
from rtfx.verify import verify

from .conftest import SHARED
from .golden import FILES, PAIRS, ROWS, UNCHECKED, compared, model_of, pair_of
from .sampled import sampled

PRECISE = 4800  # frames through the float64 evaluator, which is slow
FILLED = 3000  # frames after which a net's history holds only sound, not the silence before
ONE_BY_ONE = 1000
LARGEST = 700  # of the random blocks


def title(row):
    return (row["output"] or row["model"]).removeprefix("models/")


def in_blocks(plan, cold, x, sizes):
    """Return the compiled output, ``(channels, frames)``, for blocks of `sizes` frames, the last of them again."""
    player = Offline(plan, cold, limiter=False, block=max(sizes))
    cuts = np.cumsum([*sizes, *[sizes[-1]] * (x.shape[1] // sizes[-1])])
    return np.concatenate([player.process(part) for part in np.split(x.T, cuts[cuts < x.shape[1]])]).T


def test_every_shared_file_and_reference_has_its_row(shared):
    on_disk = {path.relative_to(shared).as_posix() for path in (shared / "models").rglob("*") if path.is_file()}
    assert {row["model"] for row in FILES} == on_disk - {"models/MANIFEST.csv"}
    with open(shared / "reference/MANIFEST.csv", newline="") as file:
        outputs = {row["file"] for row in csv.DictReader(file) if "output" in row["role"] and ".npy" not in row["file"]}
    assert outputs <= {row["output"] for row in PAIRS + UNCHECKED}
    assert len({(row["model"], row["output"]) for row in ROWS}) == len(ROWS)
    assert len(FILES) > 100 and len(PAIRS) > 60 and all(row["words"] for row in UNCHECKED)


@pytest.mark.parametrize("row", sampled(FILES, 8), ids=title)
def test_a_file_loads_and_is_computed_as_it_says_or_is_refused_by_name(shared, row):
    path, expected = shared / row["model"], row["outcome"]
    if hasattr(errors, expected):
        with pytest.raises(errors.ModelError) as caught:
            load(path)
        message = str(caught.value)
        assert type(caught.value).__name__ == expected
        assert str(path) in message and row["words"] in message and "\n" not in message, message
        return
    spec = load(path)
    assert spec.family == expected
    assert verify(spec, (spec.receptive_field or 0) + FILLED).ok


@pytest.mark.slow
@pytest.mark.parametrize("row", PAIRS, ids=title)
def test_a_golden_pair(shared, tmp_path, row):
    spec = load(model_of(row, shared, tmp_path), row["compat"] or None)
    x, y = pair_of(row, shared, spec.inputs)
    rate, cold = spec.sample_rate or 48000.0, row["start"] == "cold"

    found, expected = compared(row, evaluate(spec, x[:, :PRECISE], {}, rate, cold), y)
    assert found.size and np.abs(found - expected).max() <= float(row["bound"])

    plan = api.Rig([api.Model(spec)]).plan(rate, spec.inputs, bare=True)
    x = x.astype(np.float32)
    whole = in_blocks(plan, cold, x, [64])
    found, expected = compared(row, whole, y)
    assert found.shape[1] >= min(x.shape[1], PRECISE) // 9 and np.abs(found - expected).max() <= float(row["engine"])
    sizes = np.random.default_rng(len(ROWS)).integers(1, LARGEST, 1 + x.shape[1] // LARGEST)
    assert np.array_equal(in_blocks(plan, cold, x, sizes), whole)
    assert np.array_equal(in_blocks(plan, cold, x[:, :ONE_BY_ONE], [1]), whole[:, :ONE_BY_ONE])


def test_the_table_is_read_even_without_the_shared_files():
    assert SHARED.name == "shared" and {row["outcome"] for row in PAIRS} == {"pair"}
