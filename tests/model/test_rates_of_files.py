"""The sample rate of a file: stated, in its metadata, in its name, or usual; the first credible one is used."""

import json

import numpy as np
import pytest

from rtfx.model.load import load
from rtfx.model.read.sample_rate import rate_in_name, stated_rate

from .guitar_nets import simple_rnn, smartamppro, wavenet_va_files
from .nam_files import by_feature, nam
from .nets import dense, gru, lstm, network, small_nets, write
from .test_keras_file import FUNCTIONAL, STORED, save
from .test_pt2 import FOLDER, safetensors

RNG = np.random.default_rng(4)
HEAD = dense(RNG, 4, 1)
SIZES = nam(
    "SlimmableContainer",
    {
        "submodels": [
            {"max_value": limit, "model": by_feature()["linear"] | {"sample_rate": None}} for limit in (0.5, 1)
        ]
    },
    sample_rate=None,
)
USUAL = {
    "agam": (simple_rnn(RNG), 44100.0),
    "wavenetva": (wavenet_va_files()["gated"], 44100.0),
    "smartamppro": (smartamppro(RNG), 44100.0),
    "aidax": (network(1, lstm(RNG, 1, 4), HEAD, in_skip=0), 48000.0),
    "nam": (by_feature()["lstm"] | {"sample_rate": None}, 48000.0),
    "nam container": (SIZES, 48000.0),
    "rtneural": (network(1, lstm(RNG, 1, 4), HEAD), None),
}


def rate_of(tmp_path, data, name="amp.json"):
    spec = load(write(tmp_path, data, name))
    guesses = [warning for warning in spec.warnings if "sample rate" in warning]
    assert bool(guesses) == (spec.rate_source not in ("file", "metadata")) and len(guesses) < 2
    assert all(f"{spec.sample_rate:g} Hz" in guess for guess in guesses if spec.sample_rate)
    return spec.sample_rate, spec.rate_source


@pytest.mark.parametrize("family", USUAL)
def test_the_file_then_its_metadata_then_its_name_then_what_is_usual(tmp_path, family):
    data, usual = USUAL[family]
    data = json.loads(json.dumps(data))
    assert rate_of(tmp_path, data) == (usual, "family" if usual else "unknown")
    assert rate_of(tmp_path, data, "amp_88_2k.json") == (88200.0, "name")
    data["metadata"] = {"sample_rate": "96000"}
    source = "file" if family in ("aidax", "rtneural") else "metadata"  # its metadata makes an RTNeural file AIDA-X's
    assert rate_of(tmp_path, data, "amp_88_2k.json") == (96000.0, source)
    data["metadata"]["sample_rate"] = 12
    assert rate_of(tmp_path, data, "amp_88_2k.json") == (88200.0, "name")
    assert rate_of(tmp_path, data) == (usual or 48000.0, "family")
    data["sample_rate"] = 192000
    assert rate_of(tmp_path, data, "amp_88_2k.json") == (192000.0, "file")


def test_a_rate_that_is_not_credible_is_named(tmp_path):
    data = simple_rnn(RNG) | {"samplerate": "fast"}
    assert "states a sample rate of 'fast': 44100 Hz assumed" in load(write(tmp_path, data)).warnings[0]


def test_every_size_of_a_slimmable_net_has_the_rate_and_half_a_second_of_prewarm(tmp_path):
    spec = load(write(tmp_path, SIZES, "amp_96k.nam"))
    assert {size.sample_rate for _, size in spec.sizes} == {96000.0}
    lstm_net = load(write(tmp_path, by_feature()["lstm"] | {"sample_rate": None}, "amp_96k.nam"))
    assert lstm_net.prewarm == 48000


def test_klon_nets_with_and_without_a_rate(tmp_path):
    assert rate_of(tmp_path, network(1, gru(RNG, 1, 4), HEAD), "amp_44k1.json") == (44100.0, "name")
    three = load(write(tmp_path, small_nets()["klon"], "centaur_96k.json"))
    assert (three.sample_rate, three.rate_source) == (None, "any")  # it gets the stream's rate


def test_exports_and_keras_files_are_told_by_their_name(tmp_path):
    (tmp_path / "amp 44.1kHz.pt2").write_bytes((FOLDER / "lstm.pt2").read_bytes())
    save(tmp_path / "amp-48k.keras", FUNCTIONAL, STORED["weights"])
    (tmp_path / "amp_192k.safetensors").write_bytes(safetensors({"w.weight": np.ones((1, 1))}))
    write(tmp_path, {"layers": [{"type": "linear", "prefix": "w."}]}, "amp_192k.arch.json")
    for name, rate in (("amp 44.1kHz.pt2", 44100.0), ("amp-48k.keras", 48000.0), ("amp_192k.safetensors", 192000.0)):
        spec = load(tmp_path / name)
        assert (spec.sample_rate, spec.rate_source) == (rate, "name") and len(spec.warnings) == 1
    write(tmp_path, {"sample_rate": 96000}, "amp-48k.arch.json")
    assert load(tmp_path / "amp-48k.keras").sample_rate == 96000.0


def test_the_metadata_of_safetensors(tmp_path):
    header = {"w.weight": {"dtype": "F32", "shape": [1, 1], "data_offsets": [0, 4]}}
    header["__metadata__"] = {"sample_rate": "48000"}
    text = json.dumps(header).encode()
    (tmp_path / "amp_96k.safetensors").write_bytes(len(text).to_bytes(8, "little") + text + b"\0\0\0\0")
    write(tmp_path, {"layers": [{"type": "linear", "prefix": "w."}]}, "amp_96k.arch.json")
    spec = load(tmp_path / "amp_96k.safetensors")
    assert (spec.sample_rate, spec.rate_source) == (48000.0, "metadata")


SAID = {
    44100: "amp_44k1 amp_44.1k amp-44100 amp_44_1k 44k 44,1kHz amp_44100Hz (44.1kHz)",
    48000: "a_48k a_48K net.48k 48_kHz amp48k amp_48000 ts9_48k_cond2",
    88200: "88_2k 88k2 88.2kHz",
    96000: "pedal_96k amp@96k JCM800_96KHZ",
    176400: "176_4k 176k4",
    192000: "192kHz foo192k",
}


@pytest.mark.parametrize(("rate", "name"), [(rate, name) for rate, names in SAID.items() for name in names.split()])
def test_names_that_say_a_rate(rate, name):
    found = rate_in_name(name)
    assert found and found[0] == rate


@pytest.mark.parametrize(
    "name",
    "v1.96k v2.48k KT88K EL48k 96 v44.1 1.48k 48k_steps 48000_steps epoch_48000 epoch48000 5150k 480k 48kb a48k "
    "iter-96k 96kparams 148k 48001 44.2k 48_2k 96k_samples 44 1176 48k_to_96k".split(),
)
def test_names_that_do_not(name):
    assert rate_in_name(name) is None


@pytest.mark.parametrize(
    ("value", "rate"),
    [("48000", 48000), (44100.0, 44100), ("48 kHz", 48000), ("44.1k", 44100), ("4.8e4", 48000), (True, None)]
    + [
        (value, None)
        for value in ("fast", "", "48", 48, 0, -1, 1e300, 10**400, "9" * 99, float("nan"), [48000], "\u0661")
    ],
)
def test_rates_that_are_stated(value, rate):
    assert stated_rate(value) == rate
