"""Files that are written in other formats: what each can say, loaded again, and read by the second evaluators."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtfx import errors
from rtfx.model.load import load
from rtfx.model.nodes import Activation, Add, Affine, Conv1d, Dense, Gru, Input, Lstm, PRelu
from rtfx.model.parity import parity
from rtfx.model.reference import evaluate
from rtfx.model.spec import ModelSpec
from rtfx.model.write.save import FORMATS, convert, possible, save

from ..reference import evaluate_file
from ..reference_nam import evaluate_nam
from ..sampled import sampled
from .guitar_nets import agam_files, smartamppro_files, wavenet_va_files
from .nam_files import by_feature, mixture, nam
from .nets import small_nets, write
from .random_graphs import random_graph

SUFFIXES = {"nam": ".nam", "aidax": ".aidax"}
EXACT = ("rtfx", "rtneural", "aidax", "proteus")  # keep all digits
FRAMES = 300
RNN = "rtneural aidax proteus"
# which formats beside rtfx's own the small files can be written in; those not named here in none
UNSAYABLE = ("gru", "stacked", "two-outputs", "two-input-gru", "three-input-lstm", "klon", "aidax-knobs")  # in NAM
SAYABLE = {
    **{name: "rtneural nam" for name in small_nets() if not name.startswith("aidax")},
    **{name: "rtneural" for name in small_nets() if name in UNSAYABLE or name.endswith(("softmax", "-elu"))},
    **dict.fromkeys(["gru", "two-input-gru", "three-input-lstm"], RNN),
    "lstm": f"{RNN} nam",
    "aidax": "aidax nam",
    "aidax-knobs": "aidax",
}
AGAM = {
    **dict.fromkeys(["simple-GRU", "simple-two-knobs", "legacy"], "aidax proteus"),
    **dict.fromkeys(["simple-LSTM", "simple-no-bias"], "aidax proteus nam"),
    **dict.fromkeys(["deep-LSTM", "deep-GRU"], "rtneural proteus"),
    **dict.fromkeys(["simple-RNN", "deep-RNN"], "proteus"),
    **dict.fromkeys(["gated", "gated-one-layer", "gated-one-channel", "simple-skip-both"], "nam"),
}
VA = {name: "nam" for name in wavenet_va_files() if name != "conditioned"}
NAM = {
    **dict.fromkeys(["linear", "linear-fft", "linear-stereo", "convnet", "convnet-batchnorm"], "rtneural"),
    "convnet-wide": "rtneural",
    "lstm": RNN,
    "lstm-deep": "rtneural",
    "lstm-stereo": RNN,
}
FILES = [
    *((f"rtneural-{name}", data, SAYABLE.get(name, "")) for name, data in small_nets().items()),
    *((f"agam-{name}", data, AGAM.get(name, "")) for name, data in agam_files().items()),
    *((f"wavenetva-{name}", data, VA.get(name, "")) for name, data in wavenet_va_files().items()),
    *((f"smartamppro-{name}", data, "") for name, data in smartamppro_files().items()),
    *((f"nam-{name}", data, f"nam {NAM.get(name, '')}") for name, data in by_feature().items()),
]


def place(folder, to):
    return folder / f"{to}{SUFFIXES.get(to, '.json')}"


def bits(spec):
    """All weights of a model in single precision, in a canonical order."""
    return sorted(t.astype(np.float32).tobytes() for node in spec.nodes for t in node.tensors.values())


@pytest.mark.parametrize(("name", "data", "sayable"), sampled(FILES, 4), ids=[file[0] for file in FILES])
def test_every_family_in_every_format_that_has_a_place_for_it(tmp_path, name, data, sayable):
    spec = load(write(tmp_path, data, "net.nam" if name.startswith("nam") else "net.json"))
    assert set(possible(spec)) == {"rtfx", *sayable.split()}
    for to in possible(spec):
        done = convert(spec, place(tmp_path, to), to, FRAMES)
        assert done.parity.peak_error_db <= (-300 if to in EXACT else -130)  # single precision in NAM
        back = load(place(tmp_path, to))
        believed = spec.sample_rate is not None and spec.sample_rate >= 8000
        assert back.sample_rate == spec.sample_rate or not believed
        again = convert(back, place(tmp_path, to), to, FRAMES)
        assert again.parity.max_abs_error == 0  # the second round has nothing left to round
        if to == "rtfx" or (name.startswith(("rtneural-gru", "rtneural-lstm")) and to in EXACT):
            kept = [b for b in bits(spec) if any(b)]
            assert all(weight in bits(back) for weight in kept)


@pytest.mark.parametrize("name", ["gru", "lstm", "stacked", "conv1d-groups", "batchnorm", "prelu", "dense-elu", "klon"])
def test_rtneural_files_by_the_second_evaluator(tmp_path, name):
    spec = load(write(tmp_path, small_nets()[name]))
    save(spec, tmp_path / "out.json", "rtneural")
    x = np.random.default_rng(3).normal(0, 0.4, (spec.inputs, 300))
    expected = evaluate(spec, x, sample_rate=48000.0)
    found = evaluate_file(tmp_path / "out.json", x, sample_rate=48000.0)
    assert np.abs(found - expected).max() <= 1e-13


@pytest.mark.parametrize("name", ["tanh", "gated", "softgated", "linear", "one-channel"])
def test_wavenets_of_another_family_as_nam_by_the_second_evaluator(tmp_path, name):
    spec = load(write(tmp_path, wavenet_va_files()[name]))
    save(spec, tmp_path / "out.nam")
    x = np.random.default_rng(3).normal(0, 0.4, (1, 300))
    expected = evaluate(spec, x)
    assert np.abs(evaluate_nam(tmp_path / "out.nam", x) - expected).max() <= 3e-7 * np.abs(expected).max()


@pytest.mark.parametrize("seed", range(12))
def test_any_mixture_of_features_is_nam_again(tmp_path, seed):
    (tmp_path / "in.nam").write_text(json.dumps(mixture(seed)))
    spec = load(tmp_path / "in.nam")
    assert convert(spec, tmp_path / "out.nam", frames=100).parity.max_abs_error == 0
    x = np.random.default_rng(3).normal(0, 0.4, (1, 100))
    expected, found = (evaluate_nam(tmp_path / name, x) for name in ("in.nam", "out.nam"))
    assert np.abs(found - expected).max() <= 1e-12 * np.abs(expected).max()


@pytest.mark.parametrize("name", ["slimmable-films", "container", "head1x1_post_film-gated", "convnet-batchnorm"])
def test_a_nam_file_is_one_again_after_it_was_rtfx_json(tmp_path, name):
    spec = load(write(tmp_path, by_feature()[name], "in.nam"))
    save(spec, tmp_path / "between.json")
    between = load(tmp_path / "between.json")
    save(between, tmp_path / "out.nam")
    back = load(tmp_path / "out.nam")
    assert [limit for limit, _ in back.sizes] == [limit for limit, _ in spec.sizes]
    assert parity(spec, back, FRAMES).peak_error_db <= -130
    trained = replace(between, nodes=tuple(map(changed, between.nodes)), sizes=(), knobs=())
    found = convert(trained, tmp_path / "trained.nam", frames=FRAMES).parity
    assert found.peak_error_db <= -130  # the weights are those of the model, not those of the file


def changed(node):
    """The node as training leaves it: other numbers, in single precision, where there were any but zeros."""
    weights = {n: t * np.float32(1.25) for n, t in node.tensors.items() if n.startswith("weight")}
    return replace(node, **{name: w.astype(np.float32).astype(float) for name, w in weights.items()})


@pytest.mark.parametrize(
    "form", [{}, {"architecture": "LSTM", "weights": 10**15}, {"architecture": "WaveNet", "weights": "x", "config": []}]
)
def test_a_form_that_is_none_is_passed_over(tmp_path, form):
    spec = replace(load(write(tmp_path, small_nets()["lstm"])), form=form)
    assert convert(spec, tmp_path / "out.nam", frames=FRAMES).parity.same


@pytest.mark.parametrize("suffix", [".nam", ".json"])
@pytest.mark.parametrize("name", ["slimmable-films", "container"])
def test_every_size_is_written(tmp_path, name, suffix):
    spec = load(write(tmp_path, by_feature()[name], "in.nam"))
    assert convert(spec, tmp_path / f"out{suffix}", frames=300).warnings == ()
    back = load(tmp_path / f"out{suffix}")
    assert [knob.name for knob in back.knobs] == ["size"]
    assert [limit for limit, _ in back.sizes] == [limit for limit, _ in spec.sizes]
    for (_, one), (_, other) in zip(spec.sizes, back.sizes, strict=True):
        assert parity(one, other, 300).max_abs_error == 0
        assert (one.level_db, one.prewarm_frames) == (other.level_db, other.prewarm_frames)


def test_every_size_of_a_net_that_was_no_nam_file_is_written(tmp_path):
    files = by_feature()
    sizes = [{"max_value": limit, "model": files[name]} for limit, name in ((0.5, "lstm"), (1.0, "a1"))]
    container = nam("SlimmableContainer", {"submodels": sizes})
    spec = replace(load(write(tmp_path, container, "in.nam")), form=None)
    convert(spec, tmp_path / "out.nam", frames=300)
    back = load(tmp_path / "out.nam")
    assert [limit for limit, _ in back.sizes] == [limit for limit, _ in spec.sizes]
    for (_, one), (_, other) in zip(spec.sizes, back.sizes, strict=True):
        assert parity(one, other, 300).max_abs_error == 0


def test_a_size_that_differs_is_seen(tmp_path, monkeypatch):
    spec = load(write(tmp_path, by_feature()["container"], "in.nam"))
    small, *others = spec.sizes
    wrong = replace(spec, sizes=((small[0], others[-1][1]), *others))
    monkeypatch.setattr("rtfx.model.write.save.load", lambda path: wrong)
    assert not convert(spec, tmp_path / "out.nam", frames=300).parity.same


def test_a_net_that_remembers_how_it_began_is_compared_once_it_is_settled(tmp_path):
    slow = Lstm(
        (0,), np.zeros((4, 1)), np.zeros((4, 1)), np.array([9.0, 9.0, 1e-4, 9.0])
    )  # adds a little, forgets less
    head = Dense((1,), np.ones((1, 1)), np.zeros(1))
    spec = ModelSpec("rtfx", (Input(()), slow, head), sample_rate=48000.0, rate_source="file")
    done = convert(spec, tmp_path / "out.nam", frames=FRAMES)
    assert done.parity.same and "24000 frames of silence through it first, the model's own 2048" in done.warnings[0]


def residual_blocks():
    """Two blocks of a TCN: a convolution, normalised and bent, beside a grouped layer of one tap."""
    rng = np.random.default_rng(8)
    nodes, width = [Input(())], 1
    for dilation in (1, 4):
        source = len(nodes) - 1
        nodes += [
            Conv1d((source,), rng.normal(0, 0.4, (6, width, 3)), np.zeros(6), dilation),
            Affine((source + 1,), rng.normal(1, 0.1, 6), rng.normal(0, 0.1, 6)),
            PRelu((source + 2,), np.full(6, 0.2)),
            Conv1d((source,), rng.normal(0, 0.4, (6, 1, 1)), np.zeros(6), groups=width),
            Add((source + 3, source + 4)),
        ]
        width = 6
    nodes.append(Dense((len(nodes) - 1,), rng.normal(0, 0.4, (1, 6)), np.zeros(1)))
    return ModelSpec("rtfx", tuple(nodes), name="tcn", sample_rate=48000.0, rate_source="file")


def test_nets_that_are_no_one_architecture_are_several_in_series(tmp_path):
    spec = residual_blocks()
    done = convert(spec, tmp_path / "out.nam", frames=FRAMES)
    assert done.parity.peak_error_db <= -130 and "Sequential" in " ".join(done.warnings)
    data = json.loads((tmp_path / "out.nam").read_text())
    assert [model["architecture"] for model in data["config"]["models"]] == ["WaveNet"] * 2
    x = np.random.default_rng(3).normal(0, 0.4, (1, 300))
    expected = evaluate(spec, x)
    assert np.abs(evaluate_nam(tmp_path / "out.nam", x) - expected).max() <= 1e-6 * np.abs(expected).max()


def test_an_lstm_beside_its_input_is_the_condition_of_a_wavenet(tmp_path):
    spec = load(write(tmp_path, agam_files()["simple-LSTM"], "amp.json"))
    assert convert(spec, tmp_path / "out.nam", frames=FRAMES).parity.peak_error_db <= -130
    data = json.loads((tmp_path / "out.nam").read_text())
    assert (data["architecture"], data["config"]["condition_dsp"]["architecture"]) == ("WaveNet", "LSTM")
    assert data["config"]["condition_dsp"]["sample_rate"] == data["sample_rate"]
    assert data["config"]["layers"][0]["layer1x1"] == {"active": False, "groups": 1}  # NAM's player reads both
    back = load(tmp_path / "out.nam")
    assert set(possible(back)) == {"rtfx", "nam", "aidax", "proteus"}  # and out again, the input added


def test_an_aidax_file_carries_a_test_of_itself(tmp_path):
    spec = load(write(tmp_path, agam_files()["simple-GRU"]))
    save(spec, tmp_path / "out.aidax")
    data = json.loads((tmp_path / "out.aidax").read_text())
    assert data["in_skip"] == 1 and len(data["input_batch"]) == 2048
    y = evaluate_file(tmp_path / "out.aidax", data["input_batch"], cold=True)
    assert np.abs(y[0] - data["output_batch"]).max() <= 1e-13


def test_gains_go_where_the_format_has_a_place(tmp_path):
    spec = load(write(tmp_path, small_nets()["aidax"]))  # -3 dB before, +2.5 dB behind, the input added
    save(spec, tmp_path / "out.aidax")
    data = json.loads((tmp_path / "out.aidax").read_text())
    assert (data["in_gain"], data["out_gain"]) == pytest.approx((-3.0, 2.5), abs=1e-12)
    with pytest.raises(errors.UnsupportedArchitecture, match=r"adds the input times 0\.94"):
        save(spec, tmp_path / "out.json", "proteus")
    straight = load(write(tmp_path, {**small_nets()["aidax"], "in_skip": 0}))
    assert set(possible(straight)) == set(FORMATS)
    for to in ("proteus", "nam", "rtneural"):
        assert convert(straight, place(tmp_path, to), to, FRAMES).parity.peak_error_db <= -130


def test_the_error_names_the_node_and_the_formats_that_can(tmp_path):
    spec = load(write(tmp_path, agam_files()["simple-GRU"], "amp.json"))
    with pytest.raises(errors.UnsupportedArchitecture) as raised:
        save(spec, tmp_path / "out.json", "rtneural")
    index = len(spec.nodes) - 1
    assert str(raised.value) == (
        f"amp cannot be written as RTNeural JSON: node {index} (add): joins signals, expected one layer after the "
        "other; it can be written as: rtfx, aidax, proteus"
    )
    assert not (tmp_path / "out.json").exists()


def test_a_state_to_start_from_is_kept_or_missed_aloud(tmp_path):
    rng = np.random.default_rng(4)
    layer = Lstm((0,), rng.normal(0, 0.3, (12, 1)), rng.normal(0, 0.3, (12, 3)), np.zeros(12), np.ones(3), np.ones(3))
    spec = ModelSpec("rtfx", (Input(()), layer, Dense((1,), np.ones((1, 3)), np.zeros(1))), sample_rate=48000.0)
    assert save(spec, tmp_path / "out.nam") == []
    assert (load(tmp_path / "out.nam").nodes[1].h0 == 1).all()
    for to in ("rtneural", "aidax", "proteus"):
        assert "starts from zero" in " ".join(save(spec, place(tmp_path, to), to))


def test_what_plugins_make_of_a_file_is_said(tmp_path):
    spec = load(write(tmp_path, small_nets()["lstm"]))
    assert "no GuitarML plugin takes 1 x LSTM 6" in " ".join(save(spec, tmp_path / "out.json", "proteus"))
    assert "AIDA-X itself takes hidden sizes" in " ".join(save(spec, tmp_path / "out.aidax"))


def test_an_unknown_format_or_suffix_is_wrong_usage(tmp_path):
    spec = load(write(tmp_path, small_nets()["lstm"]))
    with pytest.raises(errors.UsageError, match=r"no format 'rtnural' \(did you mean 'rtneural'"):
        save(spec, tmp_path / "out.json", "rtnural")
    with pytest.raises(errors.UsageError, match="the suffix names no format"):
        save(spec, tmp_path / "out.txt")


@st.composite
def chains(draw):
    """A chain of layers that RTNeural supports."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    width = draw(st.integers(4, 6))  # no width that readers take for audio and knobs
    nodes, outputs = [Input((), channels=width)], width
    for kind in draw(st.lists(st.sampled_from(["dense", "conv", "gru", "lstm", "affine", "act", "leaky"]), min_size=1)):
        inputs, source = outputs, (len(nodes) - 1,)
        outputs = draw(st.integers(1, 5)) if kind in ("dense", "conv", "gru", "lstm") else inputs

        def tensor(*shape):
            return rng.normal(0, 0.5, shape)  # noqa: B023

        if kind == "dense":
            nodes.append(Dense(source, tensor(outputs, inputs), tensor(outputs)))
        elif kind == "conv":
            taps, dilation = draw(st.integers(1, 4)), draw(st.integers(1, 5))
            nodes.append(Conv1d(source, tensor(outputs, inputs, taps), tensor(outputs), dilation))
        elif kind == "gru":
            shapes = [(3 * outputs, inputs), (3 * outputs, outputs), (3 * outputs,), (3 * outputs,)]
            nodes.append(Gru(source, *(tensor(*shape) for shape in shapes)))
        elif kind == "lstm":
            nodes.append(Lstm(source, tensor(4 * outputs, inputs), tensor(4 * outputs, outputs), tensor(4 * outputs)))
        elif kind == "affine":
            nodes.append(Affine(source, tensor(inputs), tensor(inputs)))
        else:
            name = "leaky_relu" if kind == "leaky" else draw(st.sampled_from(["tanh", "relu", "sigmoid", "elu"]))
            nodes.append(Activation(source, name))
    return ModelSpec("rtfx", tuple(nodes), name="chain", sample_rate=48000.0, rate_source="file")


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(chains())
def test_any_chain_is_rtneural_and_back(tmp_path_factory, spec):
    path = tmp_path_factory.mktemp("chain") / "net.json"
    save(spec, path, "rtneural")
    assert parity(spec, load(path), 200).max_abs_error <= 1e-12
    x = np.random.default_rng(3).normal(0, 0.4, (spec.inputs, 100))
    assert np.abs(evaluate_file(path, x, cold=True) - evaluate(spec, x, cold=True)).max() <= 1e-12


@pytest.mark.parametrize("seed", range(60))
def test_any_graph_is_written_right_or_refused_in_one_line(tmp_path, seed):
    spec = random_graph(seed)
    for to in FORMATS:
        try:
            done = convert(spec, place(tmp_path, to), to, FRAMES)
        except errors.UnsupportedArchitecture as error:
            assert "it can be written as: rtfx" in str(error) and "\n" not in str(error)
            assert not place(tmp_path, to).exists()
        else:
            assert done.parity.same
