"""Facts that are read from shared files: sizes as the MANIFEST has them, rates, knobs."""

import pytest

from rtfx.model.load import load


@pytest.mark.parametrize(
    "name, parameters",
    [
        ("aidax/tw40_british_lead_deerinkstudios.json", 685),
        ("klon_centaur/centaur.json", 1297),
        ("klon_centaur/centaur_0.json", 273),
        ("rtneural_json/gru_1d.json", 345),
        ("rtneural_json/lstm_1d.json", 329),
    ],
)
def test_parameter_counts_are_those_of_the_manifest(shared, name, parameters):
    assert load(shared / "models" / name).parameter_count == parameters


def test_rates_and_knobs(shared):
    root = shared / "models"
    amp = load(root / "aidax/tw40_british_lead_deerinkstudios.json")
    assert (amp.sample_rate, amp.rate_source, amp.warnings) == (48000.0, "file", ())
    fixed = load(root / "klon_centaur/centaur_50.json")
    assert (fixed.sample_rate, fixed.rate_source, len(fixed.warnings)) == (44100.0, "family", 1)
    adaptive = load(root / "klon_centaur/centaur.json")
    assert (adaptive.sample_rate, adaptive.rate_source, adaptive.warnings) == (None, "any", ())
    assert [knob.name for knob in adaptive.knobs] == ["gain"] and adaptive.inputs == 1
    plain = load(root / "rtneural_json/gru_1d.json")
    assert (plain.sample_rate, plain.rate_source, len(plain.warnings)) == (None, "unknown", 1)
