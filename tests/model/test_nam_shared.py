"""Real NAM files: their levels, their sizes, and both evaluators on them."""

import numpy as np
import pytest

from rtfx.model.load import load
from rtfx.model.reference import evaluate

from ..reference_nam import evaluate_nam

LOUDNESS_DB, LOUDNESS_LSTM_DB = 1e-3, 0.3  # the trainer starts LSTMs from other states


def loudness_clip(shared):
    """Return the trainer's clip, a mono WAV of 24 bits."""
    content = (shared / "reference/nam_loudness_oracle/loudness_input.wav").read_bytes()
    triples = np.frombuffer(content[content.index(b"data") + 8 :], np.uint8).reshape(-1, 3).astype(np.int32)
    return ((triples[:, 2] << 24) | (triples[:, 1] << 16) | (triples[:, 0] << 8)) / 2.0**31


@pytest.mark.slow
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
