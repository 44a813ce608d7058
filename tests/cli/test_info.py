"""info and verify: the keys of the interface, folders, blocks."""

import json
import shutil

import numpy as np

from rtfx import verify
from rtfx.cli.output import finite
from rtfx.effects.table import BLOCKS
from rtfx.model.load import load
from rtfx.model.rtfx_json import save

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
    code, out, err = rtfx(capsys, "info", tmp_path, "--json")
    assert code == 1
    assert [json.loads(line)["file"] for line in out.splitlines()] == [str(tmp_path / n) for n in ("a.json", "c.json")]
    assert "b.json" in err
    assert "1 of 3 files cannot be read" in err
    code, out, err = rtfx(capsys, "verify", tmp_path, "--json")
    assert code == 1
    assert [json.loads(line)["ok"] for line in out.splitlines()] == [True, True]
    assert "1 of 3 models failed" in err


def test_blocks(capsys):
    code, out, _ = rtfx(capsys, "info", "--blocks", "--json")
    assert code == 0
    listed = {block["type"]: block for block in map(json.loads, out.splitlines())}
    assert list(listed) == list(BLOCKS)
    for name, block in BLOCKS.items():
        assert [p["name"] for p in listed[name]["parameters"]] == [p.name for p in block.parameters]
    code, text, _ = rtfx(capsys, "info", "--blocks")
    assert code == 0
    assert all(parameter.name in text for block in BLOCKS.values() for parameter in block.parameters)


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
