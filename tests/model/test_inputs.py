"""The inputs of a net: knobs that its file names, channels if there are as many outputs, else a reported guess."""

import numpy as np
import pytest

import rtfx
from rtfx import errors
from rtfx.model.load import load
from rtfx.model.read.inputs import sort_inputs, stated_knobs
from rtfx.model.reference import evaluate
from rtfx.model.spec import Knob
from rtfx.model.write.save import save

from ..reference_nam import evaluate_nam
from .guitar_nets import simple_rnn, wavenet_va
from .nam_files import array, nam, wavenet
from .nets import conv1d, dense, gru, lstm, network, write
from .test_keras_file import functional, layer
from .test_keras_file import save as save_keras

RNG = np.random.default_rng(8)
X = np.random.default_rng(9).normal(0, 0.3, (1, 80))
TWO = np.random.default_rng(9).normal(0, 0.3, (2, 80))


def nam_lstm(inputs, outputs=1, **metadata):
    config = {"input_size": inputs, "in_channels": inputs, "hidden_size": 3, "num_layers": 1, "out_channels": outputs}
    return nam("LSTM", config, metadata=metadata)


def told(spec):
    """The line about what inputs are taken for, if there is one."""
    lines = [warning for warning in spec.warnings if "--inputs" in warning]
    assert len(lines) < 2
    return lines[0] if lines else ""


def test_controls_of_a_nam_file_are_knobs(tmp_path):
    model = nam_lstm(3, controls=["dist", "tone"])
    spec = load(write(tmp_path, model, "net.nam"))
    assert spec.knobs == (Knob("dist"), Knob("tone")) and (spec.inputs, spec.warnings) == (1, ())
    rows = np.concatenate([X, np.full((1, 80), 0.2), np.full((1, 80), 0.9)])
    expected = evaluate_nam(model, rows, True)
    assert np.abs(evaluate(spec, X, {"dist": 0.2, "tone": 0.9}, cold=True) - expected).max() < 1e-12
    found = rtfx.load(tmp_path / "net.nam", dist=0.2, tone=0.9)(X[0], spec.sample_rate, bare=True, cold=True)
    assert np.abs(found - expected[0]).max() < 1e-6
    save(spec, tmp_path / "again.nam")
    assert load(tmp_path / "again.nam").knobs == spec.knobs


def test_a_condition_of_knobs_reaches_every_layer_of_a_wavenet(tmp_path):
    model = nam(
        "WaveNet", wavenet(array(input_size=2, condition_size=2), in_channels=2), metadata={"controls": ["gain"]}
    )
    spec = load(write(tmp_path, model, "net.nam"))
    assert spec.knobs == (Knob("gain"),)
    expected = evaluate_nam(model, np.concatenate([X, np.full((1, 80), 0.7)]), True)
    assert np.abs(evaluate(spec, X, {"gain": 0.7}, cold=True) - expected).max() < 1e-9


def test_a_slimmable_net_has_its_knobs_and_its_size(tmp_path):
    submodels = [{"max_value": limit, "model": nam_lstm(2)} for limit in (0.5, 1.0)]
    model = nam("SlimmableContainer", {"submodels": submodels}, metadata={"controls": ["gain"]})
    spec = load(write(tmp_path, model, "net.nam"))
    assert [knob.name for knob in spec.knobs] == ["gain", "size"] and spec.at_size(0.2).knobs == (Knob("gain"),)
    played = rtfx.Model(spec, gain=0.3, size=0.2)(X[0], spec.sample_rate, bare=True, cold=True)
    assert np.abs(played - evaluate(spec.at_size(0.2), X, {"gain": 0.3}, cold=True)[0]).max() < 1e-6


@pytest.mark.parametrize(
    ("entry", "knobs"),
    [
        ({"controls": ["audio", "dist"]}, [Knob("dist")]),
        ({"knobs": [{"name": "dist", "min": 1, "max": 10, "default": 3, "unit": "V"}]}, [Knob("dist", 1, 10, 3, "V")]),
        ({"parameters": {"dist": {"minval": "0", "maxval": "2"}}}, [Knob("dist", 0, 2, 1)]),
        ({"control_channels": "input = [audio ; dist ; tone]"}, [Knob("dist"), Knob("tone")]),
        ({"controls": ["a.b=c", "level_db", 7, "", "size", "x\ny", "ok", "ok"]},
         [Knob(name) for name in ("a_b_c", "input3", "input4", "input5", "input6", "input7", "ok", "input9")]),
        ({"controls": [{"name": "dist", "min": 5, "max": 1, "default": float("nan")}]}, [Knob("dist")]),
        ({"knobs": {"dist": 0.3, "tone": None}}, [Knob("dist", default=0.3), Knob("tone")]),
        ({"inputs": ["Audio", "dist"]}, [Knob("dist")]),
        ({"params": {"lr": 0.001, "epochs": 100}}, []),
        ({"controls": "knobs", "knobs": 3, "parameters": []}, []),
    ],
)  # fmt: skip
def test_ways_to_name_knobs(entry, knobs):
    assert list(stated_knobs(None, {}, entry)) == knobs


def test_unnamed_inputs_of_a_nam_file_are_numbered_and_told(tmp_path):
    spec = load(write(tmp_path, nam_lstm(3), "net.nam"))
    assert [knob.name for knob in spec.knobs] == ["input2", "input3"]
    assert "its 3 inputs are taken for the audio and knobs input2, input3: --inputs channels" in told(spec)


@pytest.mark.parametrize(
    ("controls", "inputs", "outputs", "names", "words"),
    [
        (["a", "b", "c"], 3, 1, ["a", "b"], "names 3 knobs and its net has 3 inputs"),
        (["a"], 3, 1, ["a", "input3"], "names 1 knobs and its net has 3 inputs"),
        (["a"], 3, 2, ["a"], ""),  # two channels, and a knob for both
        ([], 3, 3, [], "taken for channels"),
    ],
)
def test_other_numbers_of_names_than_of_inputs(tmp_path, controls, inputs, outputs, names, words):
    spec = load(write(tmp_path, nam_lstm(inputs, outputs, controls=controls), "net.nam"))
    assert [knob.name for knob in spec.knobs] == names and spec.inputs == inputs - len(names)
    assert words in told(spec) and bool(words) == bool(told(spec))


HEADS = dense(RNG, 4, 2)
STEREO = {
    "rtneural gru": network(2, gru(RNG, 2, 4), HEADS),
    "rtneural lstm": network(2, lstm(RNG, 2, 4), HEADS),
    "rtneural conv": network(2, conv1d(RNG, 2, 4, taps=3), HEADS),
    "rtneural dense": network(2, dense(RNG, 2, 4), HEADS),
    "aidax": network(2, gru(RNG, 2, 4), HEADS, in_skip=1, in_gain=3.0, samplerate=48000),
    "agam": simple_rnn(RNG, inputs=2, outputs=2, skip=2),
    "wavenetva": wavenet_va(RNG, inputs=2, outputs=2),
    "nam": nam_lstm(2, 2),
}


@pytest.mark.parametrize("name", STEREO)
def test_as_many_outputs_as_inputs_are_channels(tmp_path, name):
    path = write(tmp_path, STEREO[name], f"net.{'nam' if name == 'nam' else 'json'}")
    spec = load(path)
    assert (spec.inputs, spec.outputs, spec.knobs) == (2, 2, ()) and "--inputs knobs" in told(spec)
    found = rtfx.Model(spec)(TWO, spec.sample_rate or 48000, bare=True, cold=True)
    assert np.abs(found - evaluate(spec, TWO, cold=True)).max() < 1e-5
    turned = load(path, inputs="knobs")
    assert turned.inputs == 1 == len(turned.knobs) and not told(turned)
    rows = np.concatenate([X, np.full((1, 80), 0.4)])
    if name != "aidax":  # whose gain and skip are the audio's alone
        expected = evaluate(spec, rows, cold=True)
        assert np.abs(evaluate(turned, X, {turned.knobs[0].name: 0.4}, cold=True) - expected).max() < 1e-12


def test_a_stereo_net_in_a_mono_chain_says_what_it_wants(tmp_path):
    stereo = rtfx.load(write(tmp_path, STEREO["rtneural gru"]))
    with pytest.raises(errors.UnsupportedInput, match=r"the chain 1 channel: expected a source of 2 .* --inputs knobs"):
        stereo(X[0], 48000)
    wide = rtfx.load(write(tmp_path, network(1, dense(RNG, 1, 2))))
    with pytest.raises(errors.UnsupportedInput, match="the chain 2 channels: --mono averages them"):
        wide(TWO, 48000)


def test_a_knob_has_the_range_that_its_file_states(tmp_path):
    controls = [{"name": "dist", "min": 1, "max": 10, "default": 3}, "tone"]
    model = nam_lstm(3, controls=controls)
    path = write(tmp_path, model, "net.nam")
    played = rtfx.load(path, dist=7.0)
    rows = np.concatenate([X, np.full((1, 80), 7.0), np.full((1, 80), 0.5)])
    found = played(X[0], played.spec.sample_rate, bare=True, cold=True)
    assert np.abs(found - evaluate_nam(model, rows, True)[0]).max() < 1e-6
    with pytest.raises(errors.UsageError, match="dist is 11.*1 to 10"):
        rtfx.load(path, dist=11.0)


@pytest.mark.parametrize("name", ["rtneural lstm", "nam"])
def test_a_file_that_is_written_says_what_its_inputs_are(tmp_path, name):
    """The written file keeps the given meaning of the inputs, so it is not guessed again."""
    to = "nam" if name == "nam" else "rtneural"
    one = nam_lstm(2) if name == "nam" else network(2, lstm(RNG, 2, 4), dense(RNG, 4, 1))
    for data, inputs, channels in ((STEREO[name], None, 2), (STEREO[name], "knobs", 1), (one, "channels", 2)):
        suffix = "nam" if name == "nam" else "json"
        spec = load(write(tmp_path, data, f"net.{suffix}"), inputs=inputs)
        save(spec, tmp_path / f"again.{suffix}", to)
        again = load(tmp_path / f"again.{suffix}")
        assert again.inputs == channels and len(again.knobs) == 2 - channels and not told(again)


def test_guitar_captures_have_knobs_and_other_nets_channels(tmp_path):
    capture = load(write(tmp_path, network(2, lstm(RNG, 2, 4), dense(RNG, 4, 1))))
    assert [knob.name for knob in capture.knobs] == ["drive"] and "a knob drive: --inputs channels" in told(capture)
    mix = load(write(tmp_path, network(2, dense(RNG, 2, 1))))
    assert mix.inputs == 2 and "--inputs knobs" in told(mix)
    assert [knob.name for knob in load(tmp_path / "net.json", inputs="knobs").knobs] == ["input2"]
    stated = load(write(tmp_path, network(3, dense(RNG, 3, 1), controls=["bite", "mud"])))
    assert [knob.name for knob in stated.knobs] == ["bite", "mud"] and not told(stated)
    agam = load(write(tmp_path, simple_rnn(RNG, inputs=2)))  # the format has knobs: no guess
    assert [knob.name for knob in agam.knobs] == ["drive"] and not told(agam)


def test_more_knobs_than_a_family_has_must_be_named_or_asked_for(tmp_path):
    path = write(tmp_path, simple_rnn(RNG, inputs=5))
    with pytest.raises(errors.UnsupportedInput, match="--inputs channels or --inputs knobs takes them all"):
        load(path)
    assert [knob.name for knob in load(path, inputs="knobs").knobs] == ["drive", "tone", "input4", "input5"]
    named = load(write(tmp_path, simple_rnn(RNG, inputs=5) | {"metadata": {"controls": list("abcd")}}))
    assert [knob.name for knob in named.knobs] == list("abcd")


def test_keras_files(tmp_path):
    def net(outputs):
        model = functional(layer("Dense", "d", [("x", 0)], activation="linear", use_bias=True), output=("d", 0, 0))
        model["config"]["layers"][0]["config"]["batch_shape"] = [None, None, 2]
        return save_keras(tmp_path / f"{outputs}.keras", model, {"d": [np.ones((2, outputs)), np.zeros(outputs)]})

    assert load(net(2)).inputs == 2 and "taken for channels" in told(load(net(2)))
    assert [knob.name for knob in load(net(2), inputs="knobs").knobs] == ["input2"]
    write(tmp_path, {"knobs": ["bite"]}, "1.arch.json")
    assert load(net(1)).knobs == (Knob("bite"),) and load(tmp_path / "1.keras", inputs="channels").inputs == 2


def test_a_name_that_a_net_has_already_is_not_given_twice():
    assert [k.name for k in sort_inputs(3, 1, [], stated=[Knob("input3")])] == ["input3", "input3_"]


def test_the_switch_of_commands_set_lists_and_python(tmp_path, capsys):
    from ..cli.command import rtfx as command

    path = write(tmp_path, STEREO["rtneural gru"])
    assert command(capsys, "info", path, "--inputs", "knobs")[1].count("knob     drive") == 1
    text = "version: 1\npresets:\n- {name: a, chain: [{type: model, file: net.json, inputs: %s}]}\n"
    (tmp_path / "rig.yaml").write_text(text % "knobs")
    assert rtfx.Rig.from_yaml(tmp_path / "rig.yaml").specs[0].inputs == 1
    assert rtfx.Rig.from_yaml(tmp_path / "rig.yaml", inputs="channels").specs[0].inputs == 2
    assert rtfx.Rig([{"type": "model", "file": str(path), "inputs": "knobs"}]).specs[0].inputs == 1
    assert rtfx.load(path, inputs="knobs", drive=0.2).spec.inputs == 1
    (tmp_path / "rig.yaml").write_text(text % "knob")
    with pytest.raises(errors.PresetError, match=r"inputs is 'knob' \(did you mean 'knobs'\?\), expected one of"):
        rtfx.Rig.from_yaml(tmp_path / "rig.yaml")
    with pytest.raises(errors.UsageError, match="inputs is 'stereo', expected one of: channels, knobs"):
        rtfx.load(path, inputs="stereo")
