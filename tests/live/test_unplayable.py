"""A preset with a missing or bad file is marked; the others play, and it plays as soon as its file is correct."""

import json
import time
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

import rtfx
from rtfx.errors import PresetError, RtfxError, UsageError
from rtfx.model.rtfx_json import save
from rtfx.ui.keys import press
from rtfx.ui.page import lines
from rtfx.ui.view import LiveView
from tests.cli.command import process
from tests.engine.rigs import gru
from tests.live.fake_stream import FakeStream
from tests.live.test_reload import TONE, level, told, write
from tests.live.test_stream import RATE
from tests.ui.test_page import snapshot

BAD = {
    "missing model": "{type: model, file: gone.json}",
    "not JSON": "{type: model, file: page.json}",
    "of no family": "{type: model, file: other.json}",
    "too large": "{type: model, file: 'random:lstm?channels=4000&layers=9'}",
    "rate that is none": "{type: model, file: rate.json}",
    "unknown knob": "{type: model, file: net.json, colour: 0.5}",
    "missing impulse response": "{type: cab, file: gone.wav}",
    "impulse response that is no audio": "{type: cab, file: page.wav}",
    "silent impulse response": "{type: cab, file: silent.wav}",
}
GAIN = "{type: gain, gain_db: %s}"


@pytest.fixture
def folder(tmp_path):
    save(gru(), tmp_path / "net.json")
    (tmp_path / "rate.json").write_text(
        json.dumps(json.loads((tmp_path / "net.json").read_text()) | {"sample_rate": -1})
    )
    (tmp_path / "page.json").write_text("<html>404</html>")
    (tmp_path / "page.wav").write_text("<html>404</html>")
    (tmp_path / "other.json").write_text('{"some": "thing"}')
    soundfile.write(tmp_path / "silent.wav", np.zeros(100), RATE)
    return tmp_path


def listed(*chains: str) -> str:
    return "version: 1\npresets:\n" + "".join(f"  - {{name: p{n}, chain: [{c}]}}\n" for n, c in enumerate(chains, 1))


def set_list(folder, *chains: str):
    path = folder / "set.yaml"
    path.write_text(listed(*chains))
    return path


def play(path, preset=None, **settings):
    return rtfx.Rig.from_yaml(path, preset).play(device="null", sample_rate=RATE, input=TONE, **settings)


@pytest.mark.parametrize("case", BAD)
def test_one_bad_preset_of_three_is_marked_and_the_others_play(folder, case):
    with play(set_list(folder, GAIN % -6, BAD[case], GAIN % -12)) as stream:
        assert stream.presets == ["p1", "p2", "p3"] and list(stream.unplayable) == [1]
        reason = stream.unplayable[1]
        assert reason.startswith(f"{folder}/set.yaml:4: chain[0] ")
        assert any(note == f"preset 2, p2, cannot play: {reason}" for note in stream.notes)
        with pytest.raises(PresetError, match="preset 2, p2, cannot play"):
            stream.select(1)
        assert press(stream, "2") == f"preset 2, p2, cannot play: {reason}"
        assert stream.preset == 0 and stream.set("gain.gain_db", -8) is None
        assert press(stream, "n") == "preset 3: p3 (skipped 2, which cannot play)"
        assert press(stream, "p") == "preset 1: p1 (skipped 2, which cannot play)"
        press(stream, "3")
        assert level(stream) == pytest.approx(0.25, rel=0.01)


def test_the_preset_that_was_asked_for_must_play_and_any_may_where_none_was(folder):
    path = set_list(folder, BAD["not JSON"], BAD["missing model"], GAIN % -12)
    for preset in ("p2", 2):
        with pytest.raises(RtfxError, match="set.yaml:4: .*'gone.json': no such model"):
            play(path, preset)
    with play(path) as stream:
        assert stream.preset == 2 and level(stream) == pytest.approx(0.25, rel=0.01)
    with play(path, values={"gain.gain_db": -20.0}) as stream:  # meant for the first, used by the next
        assert stream.get("gain_db") == -20.0
    with pytest.raises(UsageError, match="no parameter 'foo'"):
        play(path, "p3", values={"foo": 1.0})
    with pytest.raises(RtfxError, match=r"set.yaml:3: .*nor can any of the 2 other presets play"):
        play(set_list(folder, BAD["not JSON"], BAD["missing model"], BAD["not JSON"]))


def test_a_mended_file_is_picked_up_and_a_broken_one_costs_its_preset_alone(folder):
    path = set_list(folder, GAIN % -6, "{type: model, file: later.json}", GAIN % -12)
    with play(path, watch=True) as stream:
        stream.wait(0.4)
        (folder / "later.json").write_text("{")
        assert any("preset 2, p2, cannot play" in line for line in told(stream, "later.json"))
        save(gru(), folder / "later.json")
        assert "reloaded p2: new" in told(stream, "reloaded p2")
        assert not stream.unplayable
        stream.select(1)
        stream.wait(0.3)
        stream.select(0)
        (folder / "later.json").write_text("{")
        assert "not reloaded" in told(stream, "later.json")[-1]
        assert not stream.unplayable  # as it was
        write(path, path.read_text().replace("-6", "-20"))
        assert "reloaded p1: values" in told(stream, "reloaded p1")
        assert level(stream) == pytest.approx(0.1, rel=1e-2)
        save(gru(), folder / "later.json")
        told(stream, "reloaded p2")


def test_a_file_that_was_missing_is_noticed_wherever_it_would_be_found(folder):
    """Beside the file that a link leads to, with its suffix, behind backslashes."""
    gig = folder / "gig"
    (gig / "nets").mkdir(parents=True)
    set_list(gig, GAIN % -6, "{type: model, file: 'nets\\\\later'}")
    (folder / "link.yaml").symlink_to(gig / "set.yaml")
    with play(folder / "link.yaml", watch=True) as stream:
        stream.wait(0.4)
        assert list(stream.unplayable) == [1]
        save(gru(), gig / "nets" / "later.json")
        told(stream, "reloaded p2")
        assert not stream.unplayable


def test_a_preset_that_is_added_and_bad_is_marked_and_the_one_that_plays_may_change_its_place(folder):
    path = set_list(folder, GAIN % -6, GAIN % -12)
    with play(path, 2, watch=True) as stream:
        stream.wait(0.4)
        write(path, listed(BAD["missing model"], GAIN % -12, GAIN % -6).replace("p1", "new").replace("p3", "p1"))
        told(stream, "preset 1, new, cannot play")
        assert (stream.presets, stream.preset, list(stream.unplayable)) == (["new", "p2", "p1"], 1, [0])
        write(path, listed(BAD["missing model"], BAD["missing model"]).replace("p1", "new").replace("p2", "other"))
        assert "no preset can play" in told(stream, "not reloaded")[-1]
        assert stream.presets == ["new", "p2", "p1"] and level(stream) == pytest.approx(0.25, rel=1e-2)


def test_a_take_of_such_a_set_list_is_rendered_again_exactly(folder, monkeypatch):
    path = set_list(folder, BAD["missing model"], GAIN % -6, BAD["not JSON"], "{type: model, file: net.json}")
    monkeypatch.chdir(folder)
    with play(path, 4) as stream:
        stream.wait(0.3)
        take = stream.takes.save()
        deadline = time.monotonic() + 20.0
        while not take.exists() and time.monotonic() < deadline:
            stream.wait(0.02)
    done = process("render", take.with_suffix(".dry.wav"), folder / "again.wav", take, "--float")
    assert done.returncode == 0, done.stderr
    wet, again = (soundfile.read(path, dtype="float32")[0] for path in (take.with_suffix(".wet.wav"), "again.wav"))
    assert np.array_equal(wet, again) and "not exact" not in done.stderr.decode()


def test_the_page_shows_which_preset_cannot_play_and_why():
    state = snapshot(
        presets=["clean", "crunch", "lead"],
        preset=1,
        unplayable={2: "no such model: 'a.json'"},
        flags=[],
        scene="",
        slot="",
    )
    page = lines(state, 80, 24)
    assert any("3 lead cannot play: no such model: 'a.json'" in line.plain for line in page)
    neighbours = next(line for line in page if "3 lead" in line.plain)
    assert any("strike" in str(span.style) for span in neighbours.spans)


def test_the_page_gets_what_the_stream_knows():
    stream, shown = FakeStream(), []
    stream.unplayable = {1: "its file is gone"}
    view = LiveView(stream, SimpleNamespace(size=(80, 24), draw=shown.append), SimpleNamespace(paint=lambda page: page))
    view.update(stream.meters())
    assert any("2 crunch cannot play: its file is gone" in line.plain for line in shown[-1])
