"""``rtfx check``: each possible problem is found and printed with its place, and gives exit code 1."""

import itertools
import json
from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

import rtfx.check as checks
from rtfx.check import check
from rtfx.errors import PresetError
from rtfx.host.device import Device
from rtfx.model.nodes import Dense, Input
from rtfx.model.rtfx_json import save
from rtfx.model.spec import ModelSpec
from rtfx.plan import self_check
from tests.cli.command import rtfx
from tests.engine.rigs import exploding, gru, lstm

RATE = 48000.0
BAD = """\
version: 1
device: {sample_rat: 48000}
presets:
  - name: one
    chain:
      - {type: gate, threshold_bd: -60}
      - {type: theremin}
      - {type: model, file: net.json, dirve: 0.3}
    scenes: {up: {gate.threshold_db: 3}}
  - name: two
    chain:
      - {type: gain, gain_db: 500}
  - name: three
    chain:
      - {type: gain, gain_db: 0}
      - {type: model, file: no-such-model.json}
      - {type: model, id: net, file: net.json, driv: 0.3}
      - {type: cab, file: nowhere.wav}
"""


@pytest.fixture
def folder(tmp_path):
    save(replace(lstm(), family="rtfx", sample_rate=48000.0), tmp_path / "net.json")
    return tmp_path


def written(folder, text: str):
    path = folder / "set.yaml"
    path.write_text(text)
    return path


def presets(*chains: str) -> str:
    return "version: 1\npresets:\n" + "".join(f"  - {{name: p{i}, chain: [{c}]}}\n" for i, c in enumerate(chains))


def messages(report, severity: str) -> list[str]:
    return [finding.message for finding in report.findings if finding.severity == severity]


def test_every_mistake_is_named_with_its_line(folder):
    path = written(folder, BAD)
    found = messages(check(path), "error")
    expected = [
        (2, "unknown key 'sample_rat' (did you mean 'sample_rate'?)"),
        (6, "unknown key 'threshold_bd' (did you mean 'threshold_db'?)"),
        (7, "unknown type 'theremin'"),
        (8, "unknown key 'dirve' (did you mean 'drive'?)"),
        (9, "threshold_db is 3"),
        (12, "gain_db"),
        (16, "no-such-model.json"),
        (17, "unknown key 'driv' (did you mean 'drive'?)"),
        (18, "nowhere.wav"),
    ]
    assert len(found) == len(expected), found
    for (line, words), message in zip(expected, found, strict=True):
        assert message.startswith(f"{path}:{line}: ") and words in message


def test_what_can_be_read_is_measured_in_spite_of_a_mistake(folder):
    report = check(
        written(folder, presets("{type: gain, gian_db: 3}", "{type: gain}", "{type: model, file: net.json}"))
    )
    assert [one.preset for one in report.presets] == ["p1", "p2"] and report.verified == 1
    assert len(report.errors) == 1 and report.worst_pair == ("p1", "p2")
    for one in report.presets:
        assert 0.0 < one.load_mean < 1.0 and -40.0 < one.loudness_lufs < 0.0
    assert report.worst_pair_load > 0.0


def test_a_file_that_is_no_yaml(folder):
    report = check(written(folder, "version: 1\npresets: [{name: \n  - x"))
    assert len(report.errors) == 1 and "is not YAML" in report.errors[0].message
    with pytest.raises(PresetError, match="no such set list"):
        check(folder / "nothing.yaml")


def test_loudness(folder):
    loud, soft, silent = ("{type: gain, gain_db: %d}" % gain for gain in (20, 0, -30))
    report = check(written(folder, presets(loud, soft, silent)))
    jumps = messages(report, "warning")
    assert jumps[0].startswith("p1 is 20.0 LU softer than p0") and "p2" in jumps[1]
    assert any("limiter" in note for note in messages(report, "note"))
    report = check(written(folder, presets(soft, "{type: gain, gain_db: 2.9}")))
    assert not messages(report, "warning")


@pytest.mark.slow
def test_load_is_judged(folder, monkeypatch):
    path = written(folder, presets("{type: model, file: net.json}", "{type: gain}"))
    monkeypatch.setattr(checks, "HIGH_LOAD", 1e-9)
    found = messages(check(path), "warning")
    assert any(m.startswith("p0: takes") and "64 frames" in m for m in found)
    assert any(m.startswith("the change between p0 and p1 takes") for m in found)
    monkeypatch.setattr(checks, "FULL_LOAD", 1e-9)
    assert all("cannot play in time" in m for m in messages(check(path), "error"))
    assert len(messages(check(path), "error")) == 3


def test_a_fade_costs_both(folder):
    save(replace(gru(40), family="rtfx", sample_rate=48000.0), folder / "big.json")
    chain = "{type: model, file: big.json}"
    report = check(written(folder, presets(chain, chain + ", {type: gain}")))
    small = check(written(folder, presets("{type: gain}", "{type: gain}, {type: gain}")))
    assert report.worst_pair_load > 3.0 * small.worst_pair_load


def test_kernels_that_are_not_exact(folder, monkeypatch):
    path = written(folder, presets("{type: model, file: net.json}"))
    right = checks.verify
    monkeypatch.setattr(checks, "verify", lambda spec, frames: replace(right(spec, frames), ok=False))
    report = check(path)
    assert "on this processor" in messages(report, "error")[0] and report.verified == 0


@pytest.mark.slow
def test_kernels_that_were_replaced(folder, monkeypatch):
    path = written(folder, presets("{type: model, file: net.json}"))
    monkeypatch.setattr(self_check, "cache_file", lambda kernel: folder / "nothing.bin")
    monkeypatch.setattr(self_check, "TOLERANCE", -1.0)
    report = check(path)
    (said,) = messages(report, "warning")
    assert said.startswith("p0: kernel ") and "the loop plays instead and takes" in said
    assert not [note for note in messages(report, "note") if "kernel" in note]


def test_a_model_that_is_not_finite_and_one_that_is_silent(folder):
    zero = ModelSpec("rtfx", (Input(()), Dense((0,), np.zeros((1, 1)), np.zeros(1))), "zero", 48000.0, dc_block=False)
    save(zero, folder / "zero.json")
    save(replace(exploding(0.01), family="rtfx", sample_rate=48000.0), folder / "inf.json")
    report = check(written(folder, presets("{type: model, file: inf.json}", "{type: model, file: zero.json}")))
    text = " | ".join(messages(report, "error"))
    assert "not finite" in text and "p1: silent" in text


def test_rates_and_devices(folder):
    save(replace(lstm(), family="rtfx", sample_rate=44100.0), folder / "other.json")
    soundfile.write(folder / "cab.wav", np.ones(8, np.float32), 48000)
    text = presets("{type: model, file: other.json}, {type: cab, file: cab.wav}")
    report = check(written(folder, text + "device: {sample_rate: 48000, input: Nowhere at all}\n"))
    assert any("44100 Hz" in f.message and f.topic == "rate" for f in report.findings)
    assert any(f.topic == "device" and f.severity == "warning" for f in report.findings)


def test_the_command(folder, capsys):
    path = written(folder, presets("{type: gain}", "{type: model, file: net.json}"))
    code, out, err = rtfx(capsys, "check", path)
    assert code == 0, err
    assert "1 p0" in out and "LUFS" in out and "costliest change: between p0 and p1" in out
    path = written(folder, BAD)
    code, out, err = rtfx(capsys, "check", path, "--json")
    lines = [json.loads(line) for line in out.splitlines()]
    assert code == 1 and err.startswith(f"rtfx: {path}:2: ")
    assert len(err.splitlines()) == 1
    assert lines[-1]["topic"] == "summary" and not lines[-1]["ok"] and lines[-1]["errors"] == 9
    assert {"severity", "topic", "preset", "message"} <= set(lines[0])


def test_knobs_and_files_of_one_block_and_of_one_preset_are_all_told(folder):
    chain = (
        "{type: model, id: net, file: net.json, driv: 0.3, drive: 7}, {type: ir, file: a.wav}, {type: ir, file: b.wav}"
    )
    text = presets(chain).replace("}\n", ", scenes: {up: {net.dive: 1, net.drive: 2}}}\n")
    found = messages(check(written(folder, text)), "error")
    for words in ("'driv'", "drive is 7", "net.dive", "drive is 2", "'a.wav': no such", "'b.wav': no such"):
        assert sum(words in message for message in found) == 1, (words, found)
    assert len(found) == 6


@pytest.mark.slow
def test_presets_go_by_the_numbers_and_names_that_they_have(folder, capsys):
    net = "{type: model, file: net.json}"
    path = written(folder, presets("{type: gian}", net, "{type: model, file: gone.json}", net))
    report = check(path)
    assert [(one.number, one.preset) for one in report.presets] == [(2, "p1"), (4, "p3")]
    loud = [note for note in messages(report, "note") if "as loud as any other model" in note]
    assert [note.partition(":")[0] for note in loud] == ["p1", "p3"]
    _, out, _ = rtfx(capsys, "check", path)
    assert "2 p1" in out and "4 p3" in out


def test_three_loudness_units_between_neighbours_are_a_warning(folder):
    def jumps(gain):
        report = check(written(folder, presets("{type: gain}", "{type: gain, gain_db: %s}" % gain)))
        return [message for message in messages(report, "warning") if "LU" in message]

    assert len(jumps(-3.2)) == len(jumps(3.2)) == 1
    assert not jumps(2.8) and not jumps(-2.8)


def test_the_block_is_the_one_asked_for_then_the_set_lists_then_the_devices(folder, monkeypatch, capsys):
    path = written(folder, presets("{type: gain}"))
    assert check(path).block_frames == 64
    monkeypatch.setattr(
        checks, "choose", lambda *args, **kwargs: SimpleNamespace(output=SimpleNamespace(sample_rate=RATE))
    )
    monkeypatch.setattr(checks, "sample_rates", lambda device: [int(RATE)])
    monkeypatch.setattr(checks, "measured_block", lambda choice, rate, latency: 1024)
    assert check(path).block_frames == 1024
    stated = written(folder, presets("{type: gain}") + "device: {block: 128}\n")
    assert check(stated).block_frames == 128
    code, out, _ = rtfx(capsys, "check", stated, "-b", "32")
    assert code == 0 and "blocks of 32 frames" in out


def test_late_blocks_are_held_against_a_preset_only_where_the_machine_was_quiet(folder, monkeypatch, capsys):
    path = written(folder, presets("{type: gain}"))
    monkeypatch.setattr(checks.Engine, "load_quantile", lambda self, q: 1.5)
    for share, judged in ((1.0, True), (0.6, False)):
        monkeypatch.setattr(checks, "thread_time", partial(next, itertools.count(0.0, share)))
        monkeypatch.setattr(checks, "perf_counter", partial(next, itertools.count(0.0, 1.0)))
        report = check(path)
        assert report.presets[0].quiet is judged
        assert any("one block in a hundred" in m for m in messages(report, "warning")) is judged
        assert ("it is not judged" in rtfx(capsys, "check", path)[1]) is not judged


def test_a_channel_that_the_card_does_not_have(folder, monkeypatch):
    card = Device(0, "Card", "ALSA", 2, 2, RATE)
    monkeypatch.setattr(checks, "devices", lambda: [card])
    text = presets("{type: gain}") + "device: {input: Card, in_channel: %d}\n"
    assert "in_channel is 5, but Card has 2 inputs" in messages(check(written(folder, text % 5)), "error")
    assert not messages(check(written(folder, text % 2)), "error")


def test_midi_controls_that_would_do_nothing_are_named(folder):
    text = presets("{type: gain, id: amp}") + "midi:\n  map:\n"
    for line in (
        "cc: 1, to: amp.gain_db",
        "cc: 2, to: amp.gian_db",
        "cc: 3, do: nxet",
        "cc: 4, do: next, release: mute",
    ):
        text += f"    - {{{line}}}\n"
    text += "    - {cc: 5, to: out_gain_db, from: -900, at: 0}\n    - {cc: 6, do: amp.gain_db -3}\n"
    found = [one.message for one in check(written(folder, text)).findings if one.topic == "midi"]
    assert len(found) == 3
    assert "CC 2: no preset has 'amp.gian_db'" in found[0] and "did you mean 'amp.gain_db'" in found[0]
    assert "CC 3: no command 'nxet'" in found[1] and "CC 5: out_gain_db is -900" in found[2]
