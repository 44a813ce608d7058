"""NAM files: each feature and their mixtures against a second evaluator, levels, sizes, prewarm."""

import copy
import json

import numpy as np
import pytest

from rtfx import errors
from rtfx.model import rtfx_json
from rtfx.model.load import load
from rtfx.model.nodes import Activation, Add, Affine, Conv1d, Dense, Input
from rtfx.model.reference import evaluate

from ..reference_nam import evaluate_nam
from .nam_files import HEAD, POST, SLIM, array, by_feature, gated, mixture, nam, stack, wavenet
from .nets import write

FILES = by_feature()
TOLERANCE = 1e-12  # both sides compute in float64


def audio(channels, frames=120):
    return np.random.default_rng(9).normal(0, 0.5, (channels, frames))


def agree(spec, model, size=1.0, **options):
    """Both evaluators give the same, started cold and warm."""
    x = audio(spec.inputs)
    for cold in (True, False):
        expected = evaluate_nam(model, x, cold, size, **options)
        y = evaluate(spec.at_size(size), x, cold=cold)
        assert y.shape == expected.shape and np.abs(expected).max() > 1e-6
        assert np.abs(y - expected).max() <= TOLERANCE * np.abs(expected).max()


@pytest.mark.parametrize("name", FILES)
def test_every_feature(tmp_path, name):
    spec = load(write(tmp_path, FILES[name], "net.nam"), inputs="channels")
    for size in [1.0, *(0.999 * limit for limit, _ in spec.sizes), *(limit for limit, _ in spec.sizes)]:
        agree(spec, FILES[name], size)


@pytest.mark.parametrize("seed", range(80))
def test_mixtures_of_features(tmp_path, seed):
    model = mixture(seed)
    agree(load(write(tmp_path, model, "net.nam")), model)


@pytest.mark.parametrize("name", ["layer1x1_post_film", "layer1x1_post_film-gated", "film-groups"])
def test_the_old_rule_for_post_films(tmp_path, name):
    path, x = write(tmp_path, FILES[name], "net.nam"), audio(1)
    agree(load(path, compat="nam-0.5.5"), FILES[name], old_post_film=True)
    y = evaluate(load(path), x)
    assert np.abs(evaluate(load(path, compat="nam-0.5.5"), x) - y).max() > 1e-3 * np.abs(y).max()


def test_the_old_order_of_linear(tmp_path):
    model = FILES["linear"]
    turned = model | {"weights": [*model["weights"][4::-1], *model["weights"][5:]]}
    agree(load(write(tmp_path, model, "net.nam"), compat="nam-linear-reversed"), turned)


def test_heads_as_former_trainers_wrote_them(tmp_path):
    """A number of layers of one tap in place of the taps, and the activation by `name` as in the trainer's config."""
    slope = {"type": "LeakyReLU", "negative_slope": 0.3}
    now = POST | {"kernel_sizes": [1, 1, 1], "activation": slope}
    then = {key: value for key, value in now.items() if key != "kernel_sizes"} | {"num_layers": 3, "in_channels": 2}
    then["activation"] = {"name": "LeakyReLU", "negative_slope": 0.3}
    model = nam("WaveNet", wavenet(array(head_size=2), head=now))
    former = model | {"config": model["config"] | {"head": then}}
    agree(load(write(tmp_path, former, "net.nam")), model)


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"activation": {"type": "Hardtanh", "min_val": 0.0, "max_val": 6.0}}, "Hardtanh from 0 to 6: -1 to 1"),
        ({"layer1x1": {"active": False, "groups": 1}}, "layer1x1 is inactive"),
    ],
)
def test_what_player_and_trainer_do_differently_is_said(tmp_path, keys, words):
    spec = load(write(tmp_path, nam("WaveNet", wavenet(array(**keys))), "net.nam"))
    assert words in " ".join(spec.warnings)
    plain = load(write(tmp_path, nam("WaveNet", wavenet(array(activation="Hardtanh"))), "net.nam"))
    assert words not in " ".join(plain.warnings)


def test_compat_is_known(tmp_path):
    with pytest.raises(errors.UsageError, match="nam-0.5.5"):
        load(write(tmp_path, FILES["a1"], "net.nam"), compat="nam-0.5.4")


def test_linear_begins_with_the_newest_sample(tmp_path):
    model = nam("Linear", {"receptive_field": 3, "bias": True}) | {"weights": [1.0, 0.5, 0.25, 8.0]}
    y = evaluate(load(write(tmp_path, model, "net.nam")), np.array([1.0, 0, 0, 0]))
    assert y[0].tolist() == [9.0, 8.5, 8.25, 8.0]


def test_the_last_weight_is_the_scale(tmp_path):
    model = copy.deepcopy(FILES["a1"])
    before = evaluate(load(write(tmp_path, model, "net.nam")), audio(1))
    model["weights"][-1] *= 2
    model["config"]["head_scale"] = 55.0
    assert np.allclose(evaluate(load(write(tmp_path, model, "net.nam")), audio(1)), 2 * before, rtol=1e-12)


def test_weights_are_single_precision(tmp_path):
    model = nam("Linear", {"receptive_field": 1, "bias": False}) | {"weights": [0.1]}
    assert load(write(tmp_path, model, "net.nam")).nodes[1].tensors["weight"].item() == float(np.float32(0.1))


def test_prewarm_is_the_lookback_of_every_convolution(tmp_path):
    def frames(name):
        return load(write(tmp_path, FILES[name], "net.nam")).prewarm_frames

    assert frames("linear") == 0
    assert frames("convnet") == 1 + 1 + 2 + 4
    assert frames("a1") == 1 + 2 * (2 * (1 + 3))
    assert frames("head-dilation") == 1 + 2 * (1 + 3) + 3 * 3
    assert frames("post-head") == 1 + 2 * (1 + 3) + 1 + 2
    assert frames("a1-wider-conditions") == (1 + 2 * (1 + 2)) + 2 * (2 * (1 + 3))
    assert frames("lstm") == 1000  # half a second
    assert frames("condition-lstm") == 1000 + 2 * (1 + 3)


def test_the_nodes_of_a_plain_layer(tmp_path):
    """Plans fuse this pattern: any change here costs speed there."""
    spec = load(write(tmp_path, nam("WaveNet", wavenet(array(dilations=[1, 2, 4]))), "net.nam"))
    layer = [Conv1d, Dense, Add, Activation, Add, Dense, Add]
    first = [kind for i, kind in enumerate(layer) if i != 4]  # no head to add to yet
    assert [type(node) for node in spec.nodes] == [Input, Dense, *first, *layer, *layer[:5], Dense, Affine]
    conv, mixin, mix, act, head, inner, residual = range(8, 15)
    sources = [spec.nodes[i].sources for i in range(8, 15)]
    assert sources == [(7,), (0,), (conv, mixin), (mix,), (5, act), (act,), (7, inner)]
    assert spec.nodes[residual + 1].sources == (residual,) and head == 12
    assert not spec.nodes[mixin].bias.any() and spec.parameter_count == len(
        nam("WaveNet", wavenet(array(dilations=[1, 2, 4])))["weights"]
    )


def test_metadata_levels_and_rates(tmp_path):
    metadata = {
        "loudness": -21.5,
        "gear_type": "amp_cab",
        "name": "Plexi",
        "input_level_dbu": 12.2,
        "output_level_dbu": None,
    }
    spec = load(write(tmp_path, FILES["a1"] | {"metadata": metadata, "sample_rate": 44100}, "net.nam"))
    assert (spec.family, spec.name, spec.kind) == ("nam", "Plexi", "amp+cab")
    assert (spec.loudness_db, spec.level_db, spec.input_level_dbu, spec.output_level_dbu) == (-21.5, 3.5, 12.2, None)
    assert (spec.sample_rate, spec.rate_source, spec.warnings) == (44100.0, "file", ())
    for metadata in (None, {}, {"loudness": None, "name": None}, {"loudness": "loud", "gear_type": ["amp"], "name": 3}):
        spec = load(write(tmp_path, FILES["a1"] | {"metadata": metadata, "sample_rate": None}, "net.nam"))
        assert (spec.name, spec.kind, spec.loudness_db, spec.level_db) == ("net", "unknown", None, 0.0)
        assert (spec.sample_rate, spec.rate_source) == (48000.0, "family") and "48000" in spec.warnings[0]


def test_sizes_of_a_container(tmp_path):
    spec = load(write(tmp_path, FILES["container"], "net.nam"))
    assert [(knob.name, knob.default) for knob in spec.knobs] == [("size", 1.0)]
    assert [limit for limit, _ in spec.sizes] == [0.3, 0.6, 1.0]
    assert [size.loudness_db for _, size in spec.sizes] == [-20.0, -21.0, -22.0] and spec.loudness_db == -22.0
    assert spec.at_size(0.29).loudness_db == -20.0 and spec.at_size(0.3).recurrent
    assert spec.sizes[-1][1].nodes is spec.nodes


def test_sizes_of_slimmed_channels(tmp_path):
    spec = load(write(tmp_path, FILES["slimmable-all"], "net.nam"))
    assert [limit for limit, _ in spec.sizes] == [1 / 3, 1 / 2, 2 / 3, 1.0]
    widths = [(size.nodes[1].width, size.widths[-2]) for _, size in spec.sizes]
    assert [width for width, _ in widths] == [1, 2, 2, 3]


@pytest.mark.parametrize(
    ("config", "why"),
    [
        (wavenet(array(slimmable=SLIM, head=HEAD)), "looks back"),
        (wavenet(array(slimmable=SLIM, layer1x1={"active": True, "groups": 3})), "groups"),
        (wavenet(array(slimmable=SLIM), head=POST), "behind its arrays"),
    ],
)
def test_what_cannot_be_slimmed_plays_at_full_size(tmp_path, config, why):
    spec = load(write(tmp_path, nam("WaveNet", config), "net.nam"))
    assert not spec.sizes and not spec.knobs and why in spec.warnings[0]


def test_unknown_keys_are_told(tmp_path):
    spec = load(write(tmp_path, nam("WaveNet", wavenet(array(new_feature=1))), "net.nam"))
    assert "config.layers[0] has a key 'new_feature'" in spec.warnings[0]


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_no_number_where_nothing_reads_it_is_saved_as_none(tmp_path, number):
    path = write(tmp_path, nam("WaveNet", wavenet(array(new_feature=number))), "net.nam")
    spec = load(rtfx_json.save(load(path), tmp_path / "copy.json"))
    assert spec.form["config"]["layers"][0]["new_feature"] is None


def test_generated_files_are_json():
    assert json.loads(json.dumps(FILES)) == FILES and len(stack()) == 2 and gated()["gating_mode"] == "gated"
