"""verify runs the tests in files: AIDA-X's batches and the loudness that NAM's trainer stored."""

import json
from dataclasses import replace

import numpy as np
import pytest
import soundfile

from rtfx import verify
from rtfx.api import Model
from rtfx.model.load import load
from rtfx.model.read.aidax import batch_test
from rtfx.model.reference import evaluate
from rtfx.model.rtfx_json import save
from rtfx.plan import self_check

from ..engine import rigs
from ..model import nam_files
from ..model.nets import dense, lstm, network, write
from .command import MODEL, rtfx

RATE = 48000


def aidax(tmp_path, inputs=1, error=0.0, **keys):
    """Write an AIDA-X file with a self-test, one sample of which is off by `error`; gains are no part of the test."""
    rng = np.random.default_rng(5)
    layers = [lstm(rng, inputs, 5), dense(rng, 5, 1)]
    x = rng.normal(0, 0.3, 300)
    plain = load(write(tmp_path, network(inputs, *layers, in_skip=1), "plain.aidax"))
    y = evaluate(plain, x, dict.fromkeys(("param1", "param2")[: inputs - 1], 0.0), cold=True)[0]
    y[200] += error
    batches = {"input_batch": x.tolist(), "output_batch": y.tolist()} | keys
    return write(tmp_path, network(inputs, *layers, in_skip=1, in_gain=6.0, out_gain=-9.0, **batches), "net.aidax")


def verdict_of(capsys, *arguments):
    code, out, err = rtfx(capsys, "verify", *arguments, "--json")
    return code, json.loads(out), err


@pytest.mark.parametrize("inputs", [1, 3])
def test_batches_pass_from_zero_state_without_gains(capsys, tmp_path, inputs):
    code, verdict, err = verdict_of(capsys, aidax(tmp_path, inputs))
    assert (code, err, verdict["ok"], verdict["self_test"]) == (0, "", True, "passed")
    assert 0.0 < verdict["self_test_error"] < 2e-6


def test_a_sample_beyond_the_tolerance_fails(capsys, tmp_path):
    path = aidax(tmp_path, error=2e-5)
    code, verdict, err = verdict_of(capsys, path)
    assert (code, verdict["ok"], verdict["self_test"]) == (1, False, "failed")
    assert verdict["self_test_error"] == pytest.approx(2e-5, rel=0.1)
    assert verdict["peak_error_db"] <= verdict["bound_db"]
    assert "fails the test that its own file carries" in err
    code, out, _ = rtfx(capsys, "verify", path)
    assert code == 1 and "WRONG" in out and "own test failed (error 2e-05)" in out


@pytest.mark.parametrize("who", ["evaluate", "Model"])
def test_the_reference_and_the_engine_are_both_tested(tmp_path, monkeypatch, who):
    path = aidax(tmp_path)
    test = batch_test(path, load(path))
    error, passed = verify.batch_judged(test)
    assert error < 2e-6 and passed
    exact = getattr(verify, who)
    if who == "evaluate":
        monkeypatch.setattr(verify, who, lambda *a, **k: exact(*a, **k) + 1e-4)
    else:
        monkeypatch.setattr(verify, who, lambda spec, **k: lambda *b, **c: exact(spec, **k)(*b, **c) + 1e-4)
    error, passed = verify.batch_judged(test)
    assert error == pytest.approx(1e-4, rel=0.1) and not passed


def test_rounding_in_single_precision_alone_fails_no_file(tmp_path):
    """The file's output and the compiled output are each within their bound of the exact one, on opposite sides."""
    path = aidax(tmp_path)
    test = batch_test(path, load(path))
    exact = evaluate(test.spec, test.x, cold=True)[0]
    compiled = Model(test.spec)(test.x, RATE, bare=True, cold=True).astype(np.float64)
    beside = replace(test, y=exact - 0.999e-5 * np.sign(compiled - exact))
    assert np.abs(compiled - beside.y).max() > 1e-5
    error, passed = verify.batch_judged(beside)
    assert error > 1e-5 and passed
    assert not verify.batch_judged(replace(test, y=exact + 1.001e-5))[1]


def test_a_net_whose_rounding_grows_may_be_off_by_as_much(tmp_path):
    """For an LSTM of high gain after a gain of 60 dB, any program in single precision has an error above 1e-5."""
    rng = np.random.default_rng(5)
    data = network(1, lstm(rng, 1, 5), dense(rng, 5, 1))
    data["layers"][1]["weights"] = [(1000 * np.array(w)).tolist() for w in data["layers"][1]["weights"]]
    x = rng.normal(0, 0.3, 300)
    plain = load(write(tmp_path, data, "plain.aidax"))
    y = evaluate(plain, x[None].astype(np.float32), cold=True, dtype=np.float32)[0].astype(float)
    path = write(tmp_path, data | {"input_batch": x.tolist(), "output_batch": y.tolist()}, "net.aidax")
    test = batch_test(path, load(path))
    error, passed = verify.batch_judged(test)
    assert error > 1e-5 and passed
    assert not verify.batch_judged(replace(test, y=test.y + 0.1))[1]


def test_batches_of_different_lengths_are_an_error(capsys, tmp_path):
    code, out, err = rtfx(capsys, "verify", aidax(tmp_path, output_batch=[0.0] * 7))
    assert (code, out) == (1, "")
    assert "input_batch has 300 samples, output_batch 7" in err


def test_a_file_that_cannot_be_read_is_a_line_of_json_too(capsys, tmp_path):
    (tmp_path / "bad.json").write_text("{")
    code, (refused,), err = lines_of(capsys, tmp_path / "bad.json")
    assert (code, refused["ok"], refused["error_class"]) == (1, False, "NotAModelFile")
    assert refused["error"].startswith("not JSON") and refused["error"] in err
    path = aidax(tmp_path)
    (tmp_path / "plain.aidax").unlink()
    code, (bad, judged), err = lines_of(capsys, tmp_path)
    assert (code, bad["file"], judged["file"], judged["ok"]) == (1, str(tmp_path / "bad.json"), str(path), True)
    assert bad | refused == bad and set(bad) == set(judged) | {"error", "error_class"}
    assert all(bad[key] is None for key in set(judged) - {"file", "ok"})


def lines_of(capsys, *arguments):
    code, out, err = rtfx(capsys, "verify", *arguments, "--json")
    return code, [json.loads(line) for line in out.splitlines()], err


@pytest.mark.parametrize("batch", [None, []])
def test_no_batch_is_no_test(capsys, tmp_path, batch):
    code, verdict, _ = verdict_of(capsys, aidax(tmp_path, output_batch=batch))
    assert (code, verdict["self_test"], verdict["self_test_error"]) == (0, None, None)


def test_other_families_carry_no_test(capsys):
    _, verdict, _ = verdict_of(capsys, MODEL)
    assert verdict["ok"] and verdict["self_test"] is None


def test_shared_aidax_files_pass(capsys, shared):
    code, out, _ = rtfx(capsys, "verify", shared / "models/aidax", "--json")
    verdicts = [v for v in map(json.loads, out.splitlines()) if "error" not in v]
    assert code == 1 and len(verdicts) + 1 == len(out.splitlines())  # bad_lstm.json is refused
    assert [v["self_test"] for v in verdicts] == ["passed"] * 3
    assert max(v["self_test_error"] for v in verdicts) < 4e-6  # the exact net is off by 1.4e-6, float32 adds its own


@pytest.fixture
def clip(tmp_path):
    """A short clip in place of the trainer's."""
    path = tmp_path / "clip.wav"
    soundfile.write(path, np.random.default_rng(1).normal(0, 0.1, 4000), RATE, subtype="FLOAT")
    return path


@pytest.mark.parametrize(("off", "word"), [(0.0, "passed"), (0.01, "failed")])
def test_loudness(capsys, tmp_path, clip, off, word):
    net = nam_files.nam("WaveNet", nam_files.wavenet(nam_files.array()))
    path = write(tmp_path, net, "net.nam")
    y = evaluate(load(path), verify.read_clip(clip))
    loudness = 20 * np.log10(np.sqrt(np.mean(y**2)))
    path = write(tmp_path, net | {"metadata": {"loudness": loudness + off}}, "net.nam")
    code, verdict, _ = verdict_of(capsys, path, "--loudness-clip", clip)
    assert (code, verdict["ok"], verdict["self_test"]) == (int(word == "failed"), word == "passed", word)
    assert verdict["self_test_error"] == pytest.approx(off, abs=1e-4)
    code, verdict, _ = verdict_of(capsys, path)
    assert (code, verdict["self_test"]) == (0, None)  # no clip, no test


@pytest.mark.parametrize("name", ["BossWN-nano", "wavenet", "lstm"])
def test_loudness_of_shared_files_is_that_of_the_trainers_clip(capsys, shared, name):
    clip = shared / "reference/nam_loudness_oracle/loudness_input.wav"
    code, verdict, _ = verdict_of(capsys, shared / f"models/nam/{name}.nam", "--loudness-clip", clip)
    assert (code, verdict["self_test"]) == (0, "passed")
    assert verdict["self_test_error"] < (0.3 if name == "lstm" else 5e-5)


def test_a_clip_that_is_none(capsys, tmp_path):
    stereo = tmp_path / "stereo.wav"
    soundfile.write(stereo, np.zeros((100, 2)), RATE)
    for path, words in ((stereo, "2 channels"), (tmp_path / "missing.wav", "no such file")):
        code, out, err = rtfx(capsys, "verify", MODEL, "--loudness-clip", path)
        assert (code, out) == (1, "") and words in err


@pytest.mark.slow
def test_a_knob_is_tried_at_its_ends(capsys, tmp_path, monkeypatch):
    """A net that is right only at the knob's default fails, and the report names the position."""
    save(replace(rigs.lstm(), family="rtfx", sample_rate=48000.0), tmp_path / "net.json")
    code, verdict, _ = verdict_of(capsys, tmp_path / "net.json")
    assert (
        code == 0 and "worst of 3 positions of the knobs" in verdict["method"] and verdict["knobs"].keys() == {"drive"}
    )
    exact = verify.evaluate
    off = 1e-3
    monkeypatch.setattr(
        verify, "evaluate", lambda s, x, k, *a, **b: exact(s, x, k, *a, **b) + off * (k["drive"] == 1.0)
    )
    code, verdict, _ = verdict_of(capsys, tmp_path / "net.json")
    assert (code, verdict["ok"], verdict["knobs"]) == (1, False, {"drive": 1.0})
    code, out, _ = rtfx(capsys, "verify", tmp_path / "net.json")
    assert code == 1 and " at drive=1, ESR" in out


def test_a_net_hears_more_than_it_remembers(monkeypatch):
    """The signal is longer than the net's history, so late errors are found; a history too long for memory is cut."""
    far = rigs.tcn(2, dilations=(1, 9000))
    assert far.receptive_field > verify.FRAMES
    heard = []
    exact = verify.evaluate
    monkeypatch.setattr(verify, "evaluate", lambda s, x, *a, **b: heard.append(x.shape[1]) or exact(s, x, *a, **b))
    found = verify.verify(far)
    assert found.ok and set(heard) == {far.receptive_field + verify.FILLED} and "remembers" not in found.method
    monkeypatch.setattr(verify, "LARGEST", 1000)
    found = verify.verify(far, 2000)
    assert heard[-1] == 2000 and f"the net remembers {far.receptive_field} frames" in found.method


def test_a_kernel_that_was_replaced_is_told(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(self_check, "cache_file", lambda kernel: tmp_path / "nothing.bin")
    monkeypatch.setattr(self_check, "TOLERANCE", -1.0)
    save(replace(rigs.gru(), family="rtfx", sample_rate=48000.0), tmp_path / "net.json")
    code, out, _ = rtfx(capsys, "verify", tmp_path / "net.json")
    assert code == 0 and "net.json: ok" in out and "the loop plays instead and takes" in out
    _, verdict, _ = verdict_of(capsys, tmp_path / "net.json")
    assert verdict["ok"] and "disagrees with the plain loop" in verdict["replaced"][0]
