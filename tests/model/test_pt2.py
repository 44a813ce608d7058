"""PyTorch exports read without PyTorch: stored archives with PyTorch's answers, broken ones, pickles, safetensors."""

import io
import json
import pickle
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from rtfx import errors
from rtfx.model.load import load
from rtfx.model.reference import evaluate
from rtfx.model.write.save import possible

from .nets import write

FOLDER = Path(__file__).parent / "exports"
ANSWERS = dict(np.load(FOLDER / "answers.npz"))
VALUES = [0.3, 0.7]
# frames at the start where PyTorch has zeros inside the net, and a stream what came before
EDGES = {"strided": 12, "looks-ahead": 8}
FORMATS = {
    "linear": "rtneural nam",
    "valid": "",
    "lstm": "nam aidax proteus",
    "lstm-knobs": "aidax proteus",
    "gru-stack": "proteus",
    "rnn": "proteus",
    "gated": "nam",
    "weight-norm": "rtneural",
    "mixed": "rtneural",
}


def agree(name, spec, x, y):
    """The model answers as PyTorch does, from the first frame that PyTorch gives on."""
    knobs = dict(zip([knob.name for knob in spec.knobs], VALUES, strict=False))
    found = evaluate(spec, x, knobs, 48000.0, cold=True)[:, spec.metadata["first_frame"] :]
    count = min(found.shape[1], y.shape[1])
    assert count > 0.9 * x.shape[1] and np.abs(y).max() > 1e-3
    error = np.abs(found[:, :count] - y[:, :count])
    assert error[:, EDGES.get(name, 0) :].max() <= 1e-14
    assert name in EDGES or error.max() <= 1e-14


@pytest.mark.parametrize("name", ANSWERS)
def test_stored_exports(name):
    spec = load(FOLDER / f"{name}.pt2")
    agree(name, spec, np.random.default_rng(1).normal(0, 0.4, (1, 301)), ANSWERS[name])
    assert ("looks 3 frames ahead" in " ".join(spec.warnings)) == (name == "looks-ahead")


@pytest.mark.parametrize("name", [path.stem for path in sorted(FOLDER.glob("*-*.pt2")) if path.stem not in ANSWERS])
def test_decomposed_programs_and_such_of_any_length(name):
    """The answers are those of the plain exports."""
    base = name.rsplit("-", 1)[0]
    agree(base, load(FOLDER / f"{name}.pt2"), np.random.default_rng(1).normal(0, 0.4, (1, 301)), ANSWERS[base])


def test_only_the_length_of_the_audio_may_be_open(tmp_path):
    def open_too(data):
        values = data["graph_module"]["graph"]["tensor_values"]
        values["x"]["sizes"][0] = {"as_expr": {"expr_str": "Symbol('s9', positive=True)", "hint": {"as_int": 1}}}

    with pytest.raises(errors.UnsupportedArchitecture, match=r"the sizes s\w+, s9 are open, expected the length"):
        load(changed(tmp_path, "gated-open", open_too))


def test_recurrent_layers_that_were_taken_apart_are_told(tmp_path):
    def apart(data):
        node = next(n for n in data["graph_module"]["graph"]["nodes"] if "addmm" in n["target"])
        node["metadata"]["nn_module_stack"] += ";L__self__rec,rec,torch.nn.modules.rnn.LSTM"

    with pytest.raises(errors.UnsupportedArchitecture, match=r"addmm in rec: is part of a recurrent layer taken apart"):
        load(changed(tmp_path, "linear-decomposed", apart))


def test_an_output_longer_than_the_input_is_late_too(tmp_path):
    def lengthen(data):
        graph = data["graph_module"]["graph"]
        name = graph["outputs"][0]["as_tensor"]["name"]
        sizes = graph["tensor_values"][name]["sizes"]
        sizes[-1]["as_int"] += 2  # as with padding at both ends

    assert "looks 3 frames ahead" in " ".join(load(changed(tmp_path, "looks-ahead", lengthen)).warnings)


@pytest.mark.parametrize("name", FORMATS)
def test_formats_of_exports(name):
    assert set(possible(load(FOLDER / f"{name}.pt2"))) == {"rtfx", *FORMATS[name].split()}


def test_knobs_are_named_by_habit_or_beside(tmp_path):
    assert [knob.name for knob in load(FOLDER / "lstm-knobs.pt2").knobs] == ["drive", "tone"]
    assert [knob.name for knob in load(FOLDER / "film.pt2").knobs] == ["knobs_1", "knobs_2"]
    (tmp_path / "film.pt2").write_bytes((FOLDER / "film.pt2").read_bytes())
    write(tmp_path, {"knobs": ["bite", "mud"], "sample_rate": 44100, "kind": "pedal"}, "film.arch.json")
    spec = load(tmp_path / "film.pt2")
    assert ([knob.name for knob in spec.knobs], spec.sample_rate, spec.kind) == (["bite", "mud"], 44100, "pedal")
    write(tmp_path, {"layers": []}, "film.arch.json")
    with pytest.raises(errors.NotAModelFile, match="has a key 'layers'"):
        load(tmp_path / "film.pt2")


def changed(tmp_path, name, change):
    """Write an export whose program `change` has been at."""
    with zipfile.ZipFile(FOLDER / f"{name}.pt2") as old, zipfile.ZipFile(tmp_path / "net.pt2", "w") as new:
        for member in old.namelist():
            content = old.read(member)
            if member.endswith("models/model.json"):
                data = json.loads(content)
                change(data)
                content = json.dumps(data).encode()
            new.writestr(member, content)
    return tmp_path / "net.pt2"


def test_unknown_operations_and_versions(tmp_path):
    def rename(data):
        node = next(n for n in data["graph_module"]["graph"]["nodes"] if "conv1d" in n["target"])
        node["target"] = "torch.ops.aten.fancy.default"

    with pytest.raises(errors.UnsupportedArchitecture, match="fancy in first.conv: is no operation"):
        load(changed(tmp_path, "micro-tcn", rename))
    with pytest.raises(errors.UnsupportedArchitecture, match="schema_version is 9, expected 8"):
        load(changed(tmp_path, "micro-tcn", lambda data: data["schema_version"].update(major=9)))


@pytest.mark.parametrize("seed", range(60))
def test_a_spoilt_program_is_refused_in_words(tmp_path, seed):
    """Any value of the program replaced by another: a model or an RtfxError, nothing else."""
    rng = np.random.default_rng(seed)

    def spoil(data):
        place = data["graph_module"]["graph"]["nodes"] if rng.random() < 0.7 else data
        while True:
            keys = list(place) if isinstance(place, dict) else list(range(len(place)))
            key = keys[rng.integers(len(keys))]
            if not isinstance(place[key], (dict, list)) or not place[key] or rng.random() < 0.1:
                place[key] = [None, -1, 10**9, "x", [], {}, [3], {"name": "y"}][rng.integers(8)]
                return
            place = place[key]

    names = sorted(ANSWERS)
    try:
        load(changed(tmp_path, names[seed % len(names)], spoil))
    except errors.RtfxError as error:
        assert "\n" not in str(error)


def test_a_pickle_is_never_opened(tmp_path):
    class Trap:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "sprung",))

    content = pickle.dumps(Trap())
    (tmp_path / "plain.pt").write_bytes(content)
    with zipfile.ZipFile(tmp_path / "zipped.pt", "w") as archive:
        archive.writestr("archive/data.pkl", content)
    for name in ("plain.pt", "zipped.pt"):
        with pytest.raises(errors.NotAModelFile, match=r"never opens.*torch\.export\.save.*safetensors"):
            load(tmp_path / name)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.slow
def test_an_archive_larger_than_a_model_is_refused_unread(tmp_path):
    with zipfile.ZipFile(tmp_path / "net.pt2", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/archive_format", "pt2")
        archive.writestr("a/models/model.json", b" " * (65 << 20))
    with pytest.raises(errors.ResourceLimit, match="unpacks to more than"):
        load(tmp_path / "net.pt2")


def safetensors(tensors, kind="F32"):
    """Return the bytes of a safetensors file."""
    body, header = io.BytesIO(), {"__metadata__": {"format": "pt"}}
    for name, array in tensors.items():
        raw = array.astype("<f4").tobytes() if kind == "F32" else array.astype("<f4").view("<u2")[..., 1::2].tobytes()
        header[name] = {"dtype": kind, "shape": array.shape, "data_offsets": [body.tell(), body.tell() + len(raw)]}
        body.write(raw)
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body.getvalue()


@pytest.mark.parametrize("kind", ["F32", "BF16"])
def test_safetensors_with_a_description(tmp_path, kind):
    rng = np.random.default_rng(5)
    shapes = {"rec.weight_ih_l0": (12, 1), "rec.weight_hh_l0": (12, 3), "lin.weight": (1, 3), "lin.bias": (1,)}
    tensors = {name: rng.normal(0, 0.5, shape).astype(np.float32) for name, shape in shapes.items()}
    if kind == "BF16":  # rounded to the values that BF16 can hold
        tensors = {k: (v.view(np.uint32) & 0xFFFF0000).view(np.float32) for k, v in tensors.items()}
    layers = [{"type": "lstm", "prefix": "rec."}, {"type": "linear", "prefix": "lin."}]
    write(tmp_path, {"layers": layers, "sample_rate": 48000}, "net.arch.json")
    (tmp_path / "net.safetensors").write_bytes(safetensors(tensors, kind))
    spec = load(tmp_path / "net.safetensors")
    assert (spec.nodes[1].weight_hh == tensors["rec.weight_hh_l0"]).all()
    assert (spec.nodes[2].weight == tensors["lin.weight"]).all()


def test_broken_safetensors(tmp_path):
    whole = safetensors({"w": np.ones((3, 2))})
    for content in (whole[:-1], whole[:40], struct.pack("<Q", 5) + b"{abcd", whole.replace(b"F32", b"F99")):
        (tmp_path / "net.safetensors").write_bytes(content)
        with pytest.raises(errors.ModelError):
            load(tmp_path / "net.safetensors")
    (tmp_path / "net.safetensors").write_bytes(whole)
    with pytest.raises(errors.UnsupportedArchitecture, match=r"write net\.arch\.json beside it"):
        load(tmp_path / "net.safetensors")
