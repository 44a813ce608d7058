"""Every shared model file: loads, or is refused with the class and the words that fit."""

import csv

import pytest

from rtfx import errors
from rtfx.model.load import load

# folder or file: family of those that load, or the error's class and a word of its message; the longest match holds
TABLE = {
    "agam/": ("agam", ""),
    "agam/acoustic1_NO_STATE_DICT.json": ("MissingKey", "no weights"),
    "agam_other_plugins/": ("agam", ""),
    "aidax/": ("aidax", ""),
    "aidax/bad_lstm.json": ("ShapeMismatch", "layers[0].weights[0] has shape (1, 80), expected (1, 64)"),
    "klon_centaur/": ("klon", ""),
    "nam/": ("nam", ""),
    "nam/mock_a2.nam": ("MissingKey", "config.layers[0] has no key 'condition_size'"),
    "nam/wavenet_a1_secondary_act.nam": ("WeightCountMismatch", "weights has 0 numbers, expected 206"),
    "nam_legacy_dir/": ("nam", ""),
    "nam_legacy_dir/2022-11-14-01_rhythm__weights.npy": ("NotAModelFile", "NumPy"),
    "nam_legacy_dir/deluxe_reverb_vibrato__weights.npy": ("NotAModelFile", "NumPy"),
    "nam_legacy_dir/dingwall_bass__weights.npy": ("NotAModelFile", "NumPy"),
    "neuralpi/": ("agam", ""),
    "pedalnetrt/": ("wavenetva", ""),
    "proteus/": ("agam", ""),
    "rtneural_json/": ("rtneural", ""),
    "rtneural_json/custom_layer_test_net.json": ("UnsupportedArchitecture", "layers[2] is a 'gated_activation' layer"),
    "rtneural_torch/": ("UnsupportedArchitecture", "state_dict"),
    "smartamppro/": ("smartamppro", ""),
    "smartamppro/GuitarLSTM_ts9_model.h5": ("NotAModelFile", "HDF5"),
    "smartamppro/ts9_model.h5": ("NotAModelFile", "HDF5"),
    "smartguitaramp_wavenet/": ("wavenetva", ""),
    "smartguitaramp_wavenet/bluesJR-Clean_IS_HTML.json": ("NotAModelFile", "HTML"),
    "smartguitarpedal_wavenet/": ("wavenetva", ""),
    "wavenetva/": ("wavenetva", ""),
}


def files(shared):
    """Return every model file by its path below ``models``, as the MANIFEST and the disk both have it."""
    root = shared / "models"
    on_disk = {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()} - {"MANIFEST.csv"}
    with open(root / "MANIFEST.csv", newline="") as file:
        listed = {row["file"] for row in csv.DictReader(file)}
    return sorted(on_disk & listed), on_disk


def test_every_file_loads_or_is_refused_by_name(shared):
    listed, on_disk = files(shared)
    assert len(listed) > 80 and len(listed) >= 0.9 * len(on_disk)
    used = set()
    for name in sorted(on_disk):
        row = max((key for key in TABLE if name.startswith(key)), key=len)
        used.add(row)
        expected, words = TABLE[row]
        path = shared / "models" / name
        if hasattr(errors, expected):
            with pytest.raises(getattr(errors, expected)) as caught:
                load(path)
            assert type(caught.value).__name__ == expected
            message = str(caught.value)
            assert str(path) in message and words in message and "\n" not in message, message
        else:
            assert load(path).family == expected, name
    assert used == set(TABLE), "a row of the table matches no file"


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
