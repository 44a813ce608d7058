"""Real NAM files: what NAM's own player rendered, its levels, and both evaluators on every file."""

import csv
from pathlib import Path

import numpy as np
import pytest

from rtfx.model.load import load
from rtfx.model.reference import evaluate

from ..conftest import SHARED
from ..reference_nam import evaluate_nam

OLD = "nam-0.5.5"
# of the larger of full scale and the peak; the references are float32, 5e-7 off, LSTMs feed it back (formats.md, 13)
TOLERANCE, TOLERANCE_LSTM = 1e-6, 1e-5
COLD_TOLERANCE = 1e-8
CONFIG_SCALE = 5e-8  # of the peak: two cold anchors were made with config.head_scale, not the last weight
LOUDNESS_DB, LOUDNESS_LSTM_DB = 1e-3, 0.3  # the trainer starts LSTMs from other states
FRAMES = 4800  # of the long renderings


def manifest(family):
    """Return the rows of one family of references."""
    path = SHARED / "reference/MANIFEST.csv"
    if not path.exists():
        return []
    with open(path, newline="") as file:
        return [row for row in csv.DictReader(file) if row["family"] == family and "output" in row["role"]]


def identity(row):
    return Path(row["file"]).stem


@pytest.mark.parametrize("row", manifest("nam_core_golden"), ids=identity)
def test_what_the_player_rendered(shared, row):
    content = (shared / "reference" / row["file"]).read_bytes()
    frames = int.from_bytes(content[:4], "little")
    x, y = np.frombuffer(content[4:], "<f4").reshape(2, frames)[:, :FRAMES].astype(np.float64)
    spec = load(shared / row["model"], compat=OLD if "REQUIRES" in row["note"] else None)
    error = np.abs(evaluate(spec, x)[0] - y).max()
    assert error <= (TOLERANCE_LSTM if spec.recurrent else TOLERANCE) * max(1.0, np.abs(y).max())


@pytest.mark.parametrize("row", manifest("nam_cold_start_f64"), ids=identity)
def test_cold_starts(shared, row):
    def doubles(name):
        return np.frombuffer((shared / "reference" / name).read_bytes()[4:], "<f8")

    x, y = doubles("nam_cold_start_f64/sweep_256_48k.bin"), doubles(row["file"])
    error = np.abs(evaluate(load(shared / row["model"]), x, cold=True)[0] - y).max()
    exact = 1e-15 if identity(row).split("_")[0] in ("convnet", "lstm") else CONFIG_SCALE * np.abs(y).max()
    assert error <= min(COLD_TOLERANCE, exact)


def loudness_clip(shared):
    """Return the trainer's clip, a mono WAV of 24 bits."""
    content = (shared / "reference/nam_loudness_oracle/loudness_input.wav").read_bytes()
    triples = np.frombuffer(content[content.index(b"data") + 8 :], np.uint8).reshape(-1, 3).astype(np.int32)
    return ((triples[:, 2] << 24) | (triples[:, 1] << 16) | (triples[:, 0] << 8)) / 2.0**31


@pytest.mark.parametrize(
    "name",
    [
        "BossWN-a2",
        "BossWN-nano",
        "BossWN-standard",
        "identity_wavenet_minimal",
        "slimmable_container",
        "wavenet",
        "lstm",
    ],
)
def test_loudness_is_that_of_the_metadata(shared, name):
    x = loudness_clip(shared)
    assert len(x) == 48000
    spec = load(shared / f"models/nam/{name}.nam")
    for size in [spec for _, spec in spec.sizes] or [spec]:
        loudness = 10 * np.log10(np.mean(evaluate(size, x) ** 2))
        assert abs(loudness - size.loudness_db) <= (LOUDNESS_LSTM_DB if size.recurrent else LOUDNESS_DB)
        assert size.level_db == -18.0 - size.loudness_db


@pytest.mark.parametrize(
    "name", ["BossWN-a2", "slimmable_container", "slimmable_wavenet", "wavenet_a2_max", "wavenet_condition_dsp"]
)
def test_both_evaluators_on_real_files(shared, name):
    path, x = shared / f"models/nam/{name}.nam", np.random.default_rng(1).normal(0, 0.3, 200)
    spec = load(path)
    for size in (0.1, 0.5, 0.9) if spec.sizes else (1.0,):
        expected = evaluate_nam(path, x, cold=True, size=size)
        assert np.abs(evaluate(spec.at_size(size), x, cold=True) - expected).max() <= 1e-12 * np.abs(expected).max()


@pytest.mark.parametrize(
    ("name", "weights", "field"),
    [
        ("BossWN-standard", 13802, 4093),
        ("pelennor_ch12_6", 6554, 4093),
        ("pelennor_ch8_4", 3026, 4093),
        ("BossWN-nano", 842, 4093),
        ("wavenet_a2_full", 12146, 6347),
        ("wavenet_a2_lite", 1871, 6347),
    ],
)
def test_named_sizes(shared, name, weights, field):
    spec = load(shared / f"models/nam/{name}.nam")
    assert (spec.parameter_count, spec.receptive_field, spec.prewarm_frames) == (weights, field, field)


@pytest.mark.parametrize("name", ["2022-11-14-01_rhythm", "deluxe_reverb_vibrato", "dingwall_bass"])
def test_pairs_of_version_0_4(shared, name):
    spec = load(shared / f"models/nam_legacy_dir/{name}__config.json")
    y = evaluate(spec, 0.1 * np.sin(np.arange(300)), cold=True)
    assert spec.name == name and 1e-3 < np.abs(y).max() < 10
