"""For odd, deeply nested, damaged and missing files there is one line each, and the other files are still handled."""

import faulthandler
import json
import os
import signal
import socket
import time
from pathlib import Path

import numpy as np
import pytest

from rtfx.cli import collection
from rtfx.effects.table import BLOCKS
from rtfx.errors import NotAModelFile, PresetError, RtfxError
from rtfx.model.load import load
from rtfx.rig.set_list import load_set_list

from .command import rtfx

LINEAR = {"version": "0.5.4", "architecture": "Linear", "config": {"receptive_field": 2, "bias": False}}
NAM = LINEAR | {"weights": [0.5, 0.25], "sample_rate": 48000}


@pytest.fixture(autouse=True)
def no_hang():
    """A test that hangs because it opens a pipe is interrupted after a minute, and fails."""

    def wake(number, frame):
        raise TimeoutError("it hangs")

    before = signal.signal(signal.SIGALRM, wake)
    signal.alarm(60)
    faulthandler.dump_traceback_later(90, exit=True)  # what waits inside a library cannot be woken
    yield
    signal.alarm(0)
    faulthandler.cancel_dump_traceback_later()
    signal.signal(signal.SIGALRM, before)


def odd(kind: str, path: Path) -> Path:
    """Create a special file, such as a pipe, at `path`; return its path."""
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "socket":
        here = os.getcwd()
        os.chdir(path.parent)  # a whole path may be too long for a socket
        with socket.socket(socket.AF_UNIX) as one:
            one.bind(path.name)
        os.chdir(here)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to({"device": "/dev/zero", "kernel": KERNEL}[kind])
    return path


KERNEL = "/proc/kmsg"  # of the kind of an ordinary file, yet reading it waits for the kernel's next message
ODD = ("fifo", "socket", "folder", "device", *(["kernel"] if os.path.exists(KERNEL) else []))
DRY = "dry.wav"
COMMANDS = {
    "model": ("m.nam", ["info", "m.nam"]),
    "model played": ("m.nam", ["render", "--model", "m.nam", DRY, "wet.wav"]),
    "description": ("m.arch.json", ["info", "m.json"]),
    "weights of NAM 0.4": ("weights.npy", ["info", "."]),
    "set list": ("s.yaml", ["render", "s.yaml", DRY, "wet.wav"]),
    "checked": ("s.yaml", ["check", "s.yaml"]),
    "cab": ("c.wav", ["render", "--model", "klon.json", "--cab", "c.wav", DRY, "wet.wav"]),
    "dry": ("d.wav", ["render", "--model", "klon.json", "d.wav", "wet.wav"]),
    "input": ("d.wav", ["play", "--model", "klon.json", "--device", "null", "--input", "d.wav"]),
    "recording": ("d.wav", ["train", "--input", "d.wav", "--target", "d.wav", "--out", "o.json"]),
    "training": ("o.rtfx-train", ["train", "--input", DRY, "--target", DRY, "--out", "o.json", "--resume"]),
}


@pytest.mark.parametrize("kind", ODD)
@pytest.mark.parametrize("what", COMMANDS)
def test_what_is_no_file_is_refused_at_once(what, kind, tmp_path, monkeypatch, capsys):
    import soundfile

    monkeypatch.chdir(tmp_path)
    name, arguments = COMMANDS[what]
    soundfile.write(tmp_path / DRY, np.random.default_rng(0).standard_normal(480000) * 0.1, 48000)
    if what == "description":
        (tmp_path / "m.json").write_text(json.dumps({"rnn.weight_ih_l0": [[1.0]]}))
    if what == "weights of NAM 0.4":
        (tmp_path / "config.json").write_text(json.dumps(LINEAR))
    odd(kind, tmp_path / name)
    code, _, said = rtfx(capsys, *arguments)
    assert code in (1, 2) and "Traceback" not in said and "internal error" not in said and "hangs" not in said
    assert (tmp_path / name).exists(), "and it is still there"


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["fifo", "device"])
@pytest.mark.parametrize("name", ["levels", "tuned.json", "kernels"])
def test_an_odd_file_in_the_cache_costs_time_only(kind, name, tmp_path, monkeypatch):
    """A cached result that is no longer a file is measured or compiled again."""
    import rtfx
    from rtfx.kernels.cache import cache_folder, read_code
    from rtfx.loading import level
    from rtfx.plan import tuned

    monkeypatch.setenv("RTFX_CACHE_DIR", str(tmp_path))
    cache_folder.cache_clear()
    try:
        cache_folder().mkdir(parents=True, exist_ok=True)
        if name == "levels":
            m = rtfx.load("klon.json")
            monkeypatch.setattr(level, "_name", lambda *_: "one")
            (tmp_path / "levels").mkdir()
            odd(kind, tmp_path / "levels" / "one")
            assert np.isfinite(m(np.zeros(64, np.float32), 48000)).all()
        elif name == "kernels":
            from rtfx.engine.run_rig import RUN_RIG
            from rtfx.kernels.cache import cache_file

            odd(kind, cache_file(RUN_RIG))
            assert read_code(RUN_RIG) is None
        else:
            odd(kind, cache_folder() / "tuned.json")
            assert tuned.measured() == {}
    finally:
        cache_folder.cache_clear()


DAMAGED = [b"", b"\xff\xfe", b"[" * 100000, b'{"a": [1e999]}', b'{"a": 3}', b"[1]", b"null", b'{"a": [null]}']


@pytest.mark.parametrize("content", DAMAGED)
def test_a_damaged_file_of_measurements_is_none(content, tmp_path, monkeypatch):
    from rtfx.plan import tuned

    monkeypatch.setattr(tuned, "cache_folder", lambda: tmp_path)
    (tmp_path / tuned.FILE).write_bytes(content)
    assert tuned.measured() == {}


@pytest.mark.parametrize("content", [b"", b"\xff", b"nan", b"inf", b"99", b"-1802", b"-1e300", b"12 34"])
def test_a_damaged_level_is_not_believed(content, tmp_path, monkeypatch):
    from rtfx.loading import level

    monkeypatch.setattr(level, "user_cache", lambda: tmp_path)
    monkeypatch.setattr(level, "_name", lambda *_: "one")
    monkeypatch.setattr(level, "_at_defaults", lambda block: block)
    monkeypatch.setattr(level, "measure", lambda *_: -20.0)
    (tmp_path / "levels").mkdir()
    (tmp_path / "levels" / "one").write_bytes(content)
    assert level.remembered([None], 48000.0) == -20.0
    assert float((tmp_path / "levels" / "one").read_text()) == -20.0


@pytest.mark.parametrize("content", DAMAGED)
def test_a_damaged_ledger_is_none(content, tmp_path):
    from rtfx.batch.job import LEDGER, Ledger

    (tmp_path / LEDGER).write_bytes(content)
    assert all(isinstance(entry, dict) for entry in Ledger(tmp_path, "")._entries.values())


def deep(levels: int, opening: str = "[", closing: str = "]") -> str:
    return opening * levels + closing * levels


@pytest.mark.parametrize("levels", [150, 300, 900, 5000, 200000])
@pytest.mark.parametrize("place", ["metadata", "weights", "config", "of its own"])
def test_a_deep_file_is_refused_in_a_line(levels, place, tmp_path):
    path = tmp_path / "deep.nam"
    text = json.dumps(NAM | {place: "@"}).replace('"@"', deep(levels))
    path.write_text(text)
    with pytest.raises(RtfxError) as refusal:
        load(path)
    assert "\n" not in str(refusal.value)


def test_a_moderate_depth_is_read(tmp_path):
    path = tmp_path / "m.nam"
    path.write_text(json.dumps(NAM | {"metadata": "@"}).replace('"@"', '{"a": ' + deep(40) + "}"))
    assert load(path).metadata


@pytest.mark.parametrize("levels", [30, 400, 100000])
def test_deep_yaml(levels, tmp_path):
    for number, text in enumerate((deep(levels), "- " * levels + "a", "a: " * 1 + deep(levels, "{a: ", "}"))):
        path = tmp_path / f"{number}.yaml"
        path.write_text(f"version: 1\npresets: {text}\n" if number != 1 else text)
        with pytest.raises(PresetError) as refusal:
            load_set_list(path, BLOCKS)
        assert "\n" not in str(refusal.value)


TAGS = [
    "!!bool maybe",
    "!!int ''",
    "!!int abc",
    "!!float x",
    "!!int 0x",
    "!!int '1:x'",
    "!!null no",
    "!!python/name:os",
    "!x y",
]


@pytest.mark.parametrize(
    "value", [*TAGS, "!!binary ===", "!!timestamp 1", "2026-99-99", "!!set {a}", "!!omap [a]", "1_", "9" * 5000]
)
@pytest.mark.parametrize(
    "line", ["version: {}", "device: {{sample_rate: {}}}", "presets: [{{name: {}, chain: [gain]}}]"]
)
def test_tags_that_raise(value, line, tmp_path):
    path = tmp_path / "tags.yaml"
    whole = {"version": "version: 1", "presets": "presets: [{name: a, chain: [{type: gain}]}]"}
    whole[line.partition(":")[0]] = line.format(value)
    path.write_text("\n".join(whole.values()) + "\n")
    try:
        load_set_list(path, BLOCKS)
    except PresetError as refusal:
        assert "\n" not in str(refusal)


def test_a_bomb_of_aliases(tmp_path):
    path = tmp_path / "bomb.yaml"
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 15)]
    path.write_text("\n".join(lines) + "\nversion: 1\npresets: *a14\n")
    with pytest.raises(PresetError, match="aliases"):
        load_set_list(path, BLOCKS)
    path.write_text("version: 1\npresets: &a [*a]\n")
    with pytest.raises(PresetError):
        load_set_list(path, BLOCKS)


@pytest.mark.slow
def test_a_set_list_of_many_presets_is_read_in_linear_time(tmp_path):
    """The time for 14,000 presets grew with their square; twice as many must not take four times as long."""

    def seconds(count: int) -> float:
        path = tmp_path / f"{count}.yaml"
        path.write_text("version: 1\npresets:\n" + "".join(f"- {{name: p{i}, chain: [gain]}}\n" for i in range(count)))
        best = float("inf")
        for _ in range(2):
            begun = time.process_time()
            assert len(load_set_list(path, BLOCKS).presets) == count
            best = min(best, time.process_time() - begun)
        return best

    assert seconds(14000) < 3.5 * seconds(7000)


def read(name: str) -> dict:
    """Read a file as `rtfx info` does, or fail in the way that its name says."""
    from rtfx.cli.info import read_facts

    kind = Path(name).stem.partition("-")[0]
    if kind == "dies":
        os._exit(9)
    if kind == "fails":
        raise ZeroDivisionError("of\nsome kind")
    if kind == "gone":
        raise NotAModelFile(f"{name}: no such model")
    return read_facts(name)


@pytest.mark.slow
@pytest.mark.parametrize("count", [3, 40])
def test_one_bad_file_never_costs_a_folder_its_table(count, tmp_path):
    names = [f"good-{i}.nam" for i in range(count)] + ["fails.nam", "gone.nam"] + (["dies.nam"] if count > 24 else [])
    files = []
    for name in names:
        (tmp_path / name).write_text(json.dumps(NAM))
        files.append(str(tmp_path / name))
    facts = list(collection.facts_of(files, read))
    assert [one["file"] for one in facts] == files
    bad = {Path(one["file"]).stem: one["error"] for one in facts if "error" in one}
    assert bad.keys() == {"fails", "gone", *(["dies"] if count > 24 else [])}
    assert not any("\n" in words for words in bad.values())


def test_a_folder_with_every_kind_of_bad_file(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "good.nam").write_text(json.dumps(NAM))
    (tmp_path / "deep.nam").write_text(json.dumps(NAM | {"metadata": "@"}).replace('"@"', deep(500)))
    (tmp_path / "broken.json").symlink_to("nowhere.json")
    (tmp_path / "loop.json").symlink_to("loop.json")
    odd("fifo", tmp_path / "pipe.nam")
    odd("device", tmp_path / "zero.nam")
    code, out, said = rtfx(capsys, "info", ".")
    assert code == 1 and "Traceback" not in said
    lines = out.splitlines()
    assert any("good.nam" in line and "nam" in line for line in lines)
    assert any("deep.nam" in line and "nested" in line for line in lines)


def test_folders_that_vanish_under_a_walk(tmp_path, monkeypatch):
    from rtfx.cli.collection import model_files

    (tmp_path / "good.nam").write_text(json.dumps(NAM))
    (tmp_path / "a").mkdir()
    scandir = os.scandir

    def vanishing(path="."):
        if os.path.basename(os.fspath(path)) == "a":
            os.rmdir(path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", vanishing)
    assert model_files(str(tmp_path)) == [str(tmp_path / "good.nam")]


def header(shape: str) -> bytes:
    text = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode()


@pytest.mark.parametrize("shape", ["(2**40,)", "(1099511627776,)", "(-1,)", "(3, 2)", "()", "(1, 'a')"])
def test_weights_that_promise_more_than_there_is(shape, tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(LINEAR))
    (tmp_path / "weights.npy").write_bytes(header(shape) + bytes(8))
    with pytest.raises(RtfxError) as refusal:
        load(tmp_path)
    assert "\n" not in str(refusal.value)


def test_weights_of_the_old_folder_are_read(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(LINEAR))
    for kind in ("<f4", ">f4", "<f8"):
        np.save(tmp_path / "weights.npy", np.array([0.5, 0.25], kind))
        assert load(tmp_path).nodes
