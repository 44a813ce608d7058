"""info and verify: the keys of the interface, folders, blocks."""

import json
import os
import shutil

import h5py
import numpy as np
import pytest

from rtfx import verify
from rtfx.cli import collection
from rtfx.cli.output import finite
from rtfx.effects.split import ALL_OF_TWO_PATHS
from rtfx.effects.table import BLOCKS
from rtfx.model.load import load
from rtfx.model.rtfx_json import save

from ..model import nam_files
from ..model.guitar_nets import smartamppro
from ..model.nets import write
from ..model.test_keras_file import h5_of
from .command import MODEL, rtfx

INFO = (
    "file family sample_rate rate_source inputs outputs knobs parameters macs_per_sample receptive_field "
    "latency_frames warnings"
)


def test_info_json_has_the_keys(capsys):
    code, out, err = rtfx(capsys, "info", MODEL, "--json")
    assert (code, err) == (0, "")
    facts = json.loads(out)
    assert set(INFO.split()) <= set(facts)
    assert facts["file"] == MODEL
    assert (facts["inputs"], facts["outputs"]) == (1, 1)


def test_info_text(capsys):
    code, out, _ = rtfx(capsys, "info", MODEL)
    assert code == 0
    assert out.splitlines()[0] == MODEL
    assert "channels 1 in, 1 out" in out


def test_folder_goes_on_after_a_bad_file(capsys, tmp_path):
    save(load(MODEL), tmp_path / "a.json")
    (tmp_path / "b.json").write_text("{")
    shutil.copy(tmp_path / "a.json", tmp_path / "c.json")
    (tmp_path / "notes.txt").write_text("not a model")
    (tmp_path / ".rtfx-render.json").write_text("{}")
    code, out, err = rtfx(capsys, "info", tmp_path, "--json")
    assert code == 1
    found = [json.loads(line) for line in out.splitlines()]
    names = ("a.json", "b.json", "c.json", "notes.txt")
    assert [facts["file"] for facts in found] == [str(tmp_path / name) for name in names]
    assert [facts.get("error_class") for facts in found] == [None, "NotAModelFile", None, None]
    assert err == "rtfx: 1 of 3 files cannot be read\n"
    code, out, _ = rtfx(capsys, "info", tmp_path)
    assert code == 1 and len(out.splitlines()) == 5
    assert [row.split()[:2] for row in out.splitlines()[1:]] == [
        ["a.json", "rtfx"],
        ["b.json", "BAD"],
        ["c.json", "rtfx"],
        ["notes.txt", "-"],
    ]
    code, out, err = rtfx(capsys, "verify", tmp_path, "--json")
    assert code == 1
    assert [json.loads(line)["ok"] for line in out.splitlines()] == [True, False, True]
    assert "1 of 3 models failed" in err


def test_a_collection_is_read_by_several_processes_in_order(capsys, tmp_path):
    names = [f"{number:03}.json" for number in range(collection.FEW + 40)]
    for number, name in enumerate(names):
        (tmp_path / name).write_text("[]") if number % 10 == 7 else save(load(MODEL), tmp_path / name)
    code, out, err = rtfx(capsys, "info", tmp_path, "--json")
    found = [json.loads(line) for line in out.splitlines()]
    assert code == 1 and [facts["file"] for facts in found] == [str(tmp_path / name) for name in names]
    assert [number for number, facts in enumerate(found) if "error" in facts] == list(range(7, len(names), 10))
    assert f"{len(range(7, len(names), 10))} of {len(names)} files cannot be read" in err
    good = found[0]
    assert set(INFO.split()) <= set(good) and good | {"file": ""} == found[-1] | {"file": ""}


@pytest.mark.slow
def test_the_death_of_a_reading_process_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(collection, "FEW", 1)
    facts = list(collection.facts_of([str(tmp_path)] * 2, die))
    assert [one["error"] for one in facts] == ["the process that read this file has died: is there enough memory?"] * 2


def die(name):
    os._exit(1)


@pytest.mark.parametrize("verb", ["info", "verify"])
def test_a_folder_without_models(capsys, tmp_path, verb):
    (tmp_path / "notes.txt").write_text("none here")
    code, out, err = rtfx(capsys, verb, tmp_path)
    assert (code, out) == (1, "")
    kinds = ".json, .nam, .aidax, .pt2, .onnx, .safetensors, .keras or a Keras .h5"
    assert err == f"rtfx: {tmp_path}: no model file in this folder or those in it, expected {kinds}\n"


def test_of_h5_files_verify_takes_those_that_keras_saved(capsys, tmp_path):
    h5_of(tmp_path / "amp.h5", smartamppro(np.random.default_rng(3), 30, strides=(4, 4), recurrent=True))
    with h5py.File(tmp_path / "measured.h5", "w") as file:
        file["impulse"] = np.zeros(9)
    (tmp_path / "broken.hdf5").write_bytes(b"\x89HDF")
    assert collection.model_files(str(tmp_path)) == [str(tmp_path / "amp.h5")]
    code, out, _ = rtfx(capsys, "info", tmp_path, "--json")
    facts, *bad = map(json.loads, out.splitlines())
    assert code == 1 and (facts["file"], facts["family"]) == (str(tmp_path / "amp.h5"), "smartamppro")
    assert [row["error_class"] for row in bad] == ["NotAModelFile"] * 2


def test_named_levels(capsys, tmp_path):
    net = nam_files.by_feature()["linear"] | {"metadata": {"loudness": -21.0}}
    path = write(tmp_path, net, "net.nam")
    facts = json.loads(rtfx(capsys, "info", path, "--json")[1])
    assert facts["levels"] == [{"name": "NeuralAmpModeler", "input_db": 0.0, "output_db": 3.0}]
    assert "level    NeuralAmpModeler: +0.0 dB before the model, +3.0 dB after it" in rtfx(capsys, "info", path)[1]


def test_blocks(capsys):
    code, out, _ = rtfx(capsys, "info", "--blocks", "--json")
    assert code == 0
    listed = {block["type"]: block for block in map(json.loads, out.splitlines())}
    assert list(listed) == [*BLOCKS, "random"]
    keys = {key["name"]: key for key in listed["random"]["parameters"]}
    assert (
        keys["layers"]["max"] == 24 and keys["link"]["default"] == "false" and "sine" in keys["activation"]["choices"]
    )
    for name, plain in BLOCKS.items():
        block = plain.of(ALL_OF_TWO_PATHS)
        assert [p["name"] for p in listed[name]["parameters"]] == [p.name for p in block.parameters]
    code, text, _ = rtfx(capsys, "info", "--blocks")
    assert code == 0
    assert "level: normal (as loud as any other model), plugin (as" in text
    assert all(parameter.name in text for block in BLOCKS.values() for parameter in block.parameters)
    assert "  kernel (1 to 64; default 3)" in text and "kind (tcn, gru, lstm; default tcn)" in text


def test_verify_json(capsys):
    code, out, err = rtfx(capsys, "verify", MODEL, "--json")
    assert (code, err) == (0, "")
    verdict = json.loads(out)
    assert {"file", "ok", "peak_error_db", "esr", "bound_db", "method"} <= set(verdict)
    assert verdict["ok"]
    assert verdict["peak_error_db"] <= verdict["bound_db"]


def test_verify_fails_beyond_the_bound(capsys, monkeypatch):
    exact = verify.evaluate

    def off(spec, x, knobs, rate, **options):
        y = exact(spec, x, knobs, rate, **options)
        return y if options else y * (1 + 1e-4)  # -80 dB: what a wrong weight does at least

    monkeypatch.setattr(verify, "evaluate", off)
    verdict = verify.verify(load(MODEL), frames=2000)
    # the float32 evaluation is compared with the same wrong reference, so look at the error itself
    assert -81.0 < verdict.peak_error_db < -79.0
    monkeypatch.setattr(verify, "FLOAT32_FACTOR", 0.0)
    code, out, err = rtfx(capsys, "verify", MODEL)
    assert code == 1
    assert "WRONG" in out
    assert "not as exact as it must be" in err


def test_numbers_that_are_not_finite_become_null():
    nan, inf = float("nan"), float("inf")
    assert finite({"a": nan, "b": [inf, 1.5, (2, None)]}) == {"a": None, "b": [None, 1.5, [2, None]]}
    assert finite([True, "x", np.float32(0.5), np.array([1, 2])]) == [True, "x", 0.5, [1, 2]]


def test_a_set_list_shows_how_the_sound_passes(capsys, tmp_path):
    path = tmp_path / "set.yaml"
    path.write_text(
        "version: 1\npresets:\n  - name: w\n    chain: [eq, {split: [[{type: gain, id: a}], []], pan: [-1, 1]}, klon]\n"
    )
    code, out, _ = rtfx(capsys, "info", str(path))
    lines = out.splitlines()
    assert code == 0 and lines[0].startswith("w: 1 in, 2 out, 0 frames late")
    assert lines[1:4] == ["  eq: mono", "  split: mono to stereo", "    path 1: a (gain): mono"]
    assert "runs 2 times" in lines[-1]
    code, out, _ = rtfx(capsys, "info", f"{path}:w", "--json")
    facts = json.loads(out)
    assert [block["block"] for block in facts["blocks"]] == ["eq", "split", "a", "klon"] and facts["outputs"] == 2
