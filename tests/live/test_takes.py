"""A take rendered again is the wet recording, bit for bit, if the state at its start can be reproduced."""

import json
import shutil
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import yaml

import rtfx
from rtfx import find
from rtfx.effects.table import BLOCKS
from rtfx.engine.engine import Engine
from rtfx.engine.engine_rig import EngineRig
from rtfx.errors import PresetError
from rtfx.find import find_model
from rtfx.host import timeouts
from rtfx.host.growing import GrowingWave
from rtfx.live import takes as module
from rtfx.live.controller import Controller
from rtfx.live.takes import Replay, Takes, is_take
from rtfx.loading.preset import Loader, load_presets
from rtfx.model import rtfx_json
from rtfx.plan.resolve import Models
from rtfx.rig.parameters import Options
from rtfx.rig.set_list import load_set_list
from tests.cli.command import rtfx as command
from tests.engine.rigs import noise, response

RATE = 48000
SET_LIST = """
version: 1
presets:
  - name: drive
    chain:
      - {type: gate}
      - {type: model, id: klon, file: klon.json, gain: 0.35}
      - {type: cab, file: cab.wav}
  - name: tone
    chain:
      - {type: eq, low_cut_hz: 80, bell1_db: 4}
      - {type: model, id: net, file: "random:tcn?seed=1&layers=2&channels=2"}
  - name: twin
    chain:
      - {type: model, id: klon, file: klon.json, gain: 0.9}
      - {type: cab, file: cab.wav}
"""


@pytest.fixture
def set_list(tmp_path, monkeypatch):
    soundfile.write(tmp_path / "cab.wav", response(6000), RATE, subtype="FLOAT")
    path = tmp_path / "set.yaml"
    path.write_text(SET_LIST)
    monkeypatch.chdir(tmp_path)
    return path


FINITE = """
version: 1
presets:
  - name: drive
    chain:
      - {type: gate}
      - {type: model, id: klon, file: "random:tcn?seed=2&layers=3&channels=3", level_db: 3}
      - {type: cab, file: cab.wav}
  - name: tone
    chain:
      - {type: eq, low_cut_hz: 80, bell1_db: 4}
      - {type: model, id: net, file: "random:tcn?seed=1&layers=2&channels=2"}
  - name: other rate
    chain:
      - {type: model, id: net, file: net.json}
"""


@pytest.fixture
def finite(set_list):
    """Models whose initial state has decayed at the end of the lead; one has another rate."""
    spec = rtfx.load("random:tcn?seed=3&layers=2&channels=2").spec
    rtfx_json.save(replace(spec, sample_rate=44100.0, rate_source="file"), set_list.parent / "net.json")
    set_list.write_text(FINITE)
    return set_list


@pytest.fixture
def short(monkeypatch):
    """Takes that begin in the middle of a performance."""
    monkeypatch.setattr(module, "LEAD_SECONDS", 2.0)
    monkeypatch.setattr(module, "SPARE_SECONDS", 0.2)


class Band:
    """An engine with its controller and takes, whose blocks the test runs in place of a device."""

    def __init__(self, path: Path, ring_seconds: float = 3.0, **settings):
        presets = load_set_list(path, BLOCKS).presets
        loader = Loader(float(RATE), Models(), Options(level="none"))
        loaded, _ = load_presets(presets, 0, {}, loader)
        self.engine = Engine(float(RATE), ring_frames=round(ring_seconds * RATE), **settings)
        self.controller = Controller(self.engine, loaded)
        self.takes = Takes(self.engine, self.controller, loader, {})
        self.controller.start()

    def close(self) -> None:
        self.controller.stop()
        self.takes.close()


def play_at_random(band: Band, generator, blocks: int, largest: int = 1500) -> None:
    """Run a number of callbacks of random sizes; turn, switch, mute and bypass at random in between."""
    size = 64
    for _ in range(blocks):
        if generator.random() < 0.2:
            size = int(generator.choice([1, 16, 64, 100, 512, 513, largest]))
        band.engine.drive((0.3 * generator.standard_normal((size, 1))).astype(np.float32), size)
        band.takes._look()
        if generator.random() < 0.25:
            event_at_random(band, generator)
            time.sleep(float(generator.choice([0.0, 0.001, 0.003])))


def event_at_random(band: Band, generator) -> None:
    kind = generator.integers(6)
    if kind == 0:
        band.controller.select(int(generator.integers(3)) % len(band.controller.presets))
    elif kind in (1, 2):
        knobs = [knob for knob in band.controller.preset.knobs.values() if knob.parameter.kind == "continuous"]
        knob = knobs[int(generator.integers(len(knobs)))]
        band.controller.set(knob.address, float(generator.uniform(knob.parameter.minimum, knob.parameter.maximum)))
    else:
        name = ("in_gain", "out_gain", "wet", "open")[int(generator.integers(4))]
        on = float(generator.random() < 0.75)
        band.engine.glide(name, on if name in ("wet", "open") else float(generator.uniform(0.2, 1.5)))


def rendered(take: Path) -> tuple[np.ndarray, np.ndarray, str]:
    """Return (wet as saved, the take rendered again, the verdict)."""
    base = str(take).removesuffix(".yaml")
    dry, wet = (soundfile.read(base + part, dtype="float32", always_2d=True)[0] for part in (".dry.wav", ".wet.wav"))
    replay = Replay(take)
    cuts = np.sort(np.random.default_rng(1).integers(0, len(dry), 5))
    blocks, channels = replay.process(np.split(dry, cuts), RATE, dry.shape[1])
    again = np.concatenate(list(blocks))
    assert again.shape == wet.shape and channels == wet.shape[1]
    assert np.array_equal(again, wet) == replay.verdict.startswith("exact"), replay.verdict
    return wet, again, replay.verdict


def about(take: Path) -> dict:
    """Return what a take says of itself."""
    return yaml.safe_load(take.read_text())["take"]


@pytest.mark.parametrize("seed", range(3))
def test_a_take_from_the_first_frame_is_exact_whatever_happened(set_list, tmp_path, seed):
    band = Band(set_list, ring_seconds=20.0, live=True)
    try:
        play_at_random(band, np.random.default_rng(seed), 300)
        band.takes.save()
        play_at_random(band, np.random.default_rng(seed + 100), 50)
    finally:
        band.close()
    wet, again, verdict = rendered(tmp_path / "take.yaml")
    events = json.loads((tmp_path / "take.events.json").read_text())
    assert len(events) > 20 and len(wet) > RATE and np.abs(wet).max() > 0.01
    assert wet[0] == 0.0, "the start fade too"
    assert verdict == "exact, take.wet.wav bit for bit" and about(tmp_path / "take.yaml")["exact"]


@pytest.mark.parametrize("seed", range(4))
def test_a_take_from_the_middle_is_exact_if_all_models_have_forgotten_what_was_before(finite, short, tmp_path, seed):
    generator = np.random.default_rng(seed)
    band = Band(finite, 6.0)
    try:
        band.controller.select(seed % 3)
        while band.engine.clock < 4 * RATE:
            play_at_random(band, generator, 50)
        band.takes.save(seconds=0.9)
    finally:
        band.close()
    wet, again, verdict = rendered(tmp_path / "take.yaml")
    told = about(tmp_path / "take.yaml")
    assert told["start_frame"] > 0 and told["lead_frames"] > 1.9 * RATE and len(wet) == round(0.9 * RATE)
    assert verdict.startswith("exact") and told["exact"], (verdict, told)


def test_a_model_of_another_rate_meets_each_frame_at_the_same_point_of_its_own(finite, short, tmp_path):
    """147 frames of the model to 160 of the stream: the lead begins where these begin anew."""
    band = Band(finite, 6.0)
    try:
        band.engine.drive(noise(1000), 100)
        band.controller.select(2)
        until_swapped(band, 2)
        for number in range(45):
            band.engine.drive(noise(RATE // 10, level=0.3, seed=number), 100)
            band.takes._look()
        band.takes.save(seconds=0.9)
    finally:
        band.close()
    _, _, verdict = rendered(tmp_path / "take.yaml")
    assert about(tmp_path / "take.yaml")["start_frame"] > 0 and verdict.startswith("exact"), verdict


def until_swapped(band: Band, swaps: int) -> None:
    """Run callbacks until a number of rigs have been taken by the engine."""
    for _ in range(2000):
        if int(band.engine.record["swaps"]) >= swaps:
            return
        time.sleep(0.005)
        band.engine.drive(noise(100), 100)
    raise AssertionError("the rig was never taken up")


def test_a_net_that_remembers_for_ever_says_that_it_is_not_exact(set_list, short, tmp_path):
    band = Band(set_list, 6.0)
    try:
        for number in range(40):
            band.engine.drive(noise(RATE // 10, level=0.3, seed=number), 100)
            band.takes._look()
        band.takes.save(seconds=0.9)
    finally:
        band.close()
    wet, again, verdict = rendered(tmp_path / "take.yaml")
    assert about(tmp_path / "take.yaml")["fault"] == "klon remembers more than the 2 s before it"
    assert "not exact: klon remembers" in band.takes.news[-1]
    assert np.abs(wet - again).max() < 1e-5 * np.abs(wet).max(), "it has converged in the lead"


def test_what_is_turned_while_a_rig_is_made_nulls_too(set_list, tmp_path, monkeypatch):
    """The value glides from the rig's initial value, in the stream and in the take."""
    band = Band(set_list, 20.0)
    start_at, turned = EngineRig.start_at, []

    def start_and_be_turned(rig, values):
        start_at(rig, values)
        if not turned:
            turned.append(threading.Thread(target=band.controller.set, args=("klon.gain", 0.1)))
            turned[0].start()
            turned[0].join()

    try:
        play_at_random(band, np.random.default_rng(2), 20)
        with monkeypatch.context() as patch:
            patch.setattr(EngineRig, "start_at", start_and_be_turned)
            band.controller.select(2)
            while not (turned and band.engine.record["swaps"]):
                time.sleep(0.002)
                band.engine.drive(noise(64), 64)
        time.sleep(0.05)
        for number in range(20):
            band.engine.drive(noise(1000, seed=number), 100)
            band.takes._look()
        band.takes.save()
    finally:
        band.close()
    wet, again, verdict = rendered(tmp_path / "take.yaml")
    assert verdict.startswith("exact")


def test_a_flood_of_presets_fills_the_slots_and_still_nulls(set_list, tmp_path):
    band, waited = Band(set_list, 20.0), 0
    try:
        play_at_random(band, np.random.default_rng(9), 60)
        for number in range(40):  # the tail of a cabinet rings longer than that
            band.controller.select(2 * (number % 2))
            time.sleep(0.005)
            for block in range(10):
                band.engine.drive(noise(100, seed=10 * number + block), 100)
                waited += int(band.engine.record["waiting"] > 0)
            band.takes._look()
        band.takes.save()
    finally:
        band.close()
    assert waited, "no rig ever had to wait for a slot"
    wet, again, verdict = rendered(tmp_path / "take.yaml")
    assert verdict.startswith("exact")


def test_what_has_left_the_rings_is_forgotten(finite, short, tmp_path):
    """Otherwise the values of every earlier preset change would stay in memory."""
    band = Band(finite, ring_seconds=3.5)
    kept = []
    try:
        for number in range(160):
            band.controller.select(number % 2)
            time.sleep(0.004)
            band.engine.drive(noise(RATE // 20, seed=number), 480)
            band.takes._look()
            kept.append(len(band.engine.published) + len(band.takes._events) + len(band.takes._values))
        band.takes.save(seconds=0.3)
    finally:
        band.close()
    assert band.engine._number > 60 and max(kept[80:]) <= max(kept[:80]) + 6, "as many as the rings hold"
    wet, again, _ = rendered(tmp_path / "take.yaml")
    assert np.abs(wet - again).max() < 1e-6, "the lead is short here"


def test_live_on_the_null_device_and_back_by_the_command(finite, short, tmp_path, capsys, monkeypatch):
    generator = np.random.default_rng(5)
    x = np.stack([noise(20 * RATE, level=0.3, seed=seed)[:, 0] for seed in (0, 1)])  # stereo stays stereo
    with rtfx.Rig.from_yaml(finite).play(device="null", input=x, sample_rate=RATE, level="none") as stream:
        for _ in range(40):
            event_at_random(stream, generator)
            stream.wait(0.04)
        path = stream.takes.save(seconds=1.0)
        stream.wait(0.1)
        stream.takes.save(tmp_path / "takes", seconds=0.3)
    assert path == tmp_path / "take.yaml" and (tmp_path / "takes" / "take.wet.wav").exists()
    assert "take.dry.wav" in " ".join(stream.news())
    code, _, err = command(capsys, "render", "take.dry.wav", "out.wav", "take.yaml")
    assert code == 0 and "s of take.yaml: exact, take.wet.wav bit for bit\n" in err, err
    wet, out = (soundfile.read(tmp_path / name, dtype="float32")[0] for name in ("take.wet.wav", "out.wav"))
    assert len(wet) >= RATE and np.array_equal(wet, out)
    code, _, _ = command(capsys, "render", "take.dry.wav", "tone.wav", "take.yaml:tone")
    assert code == 0, "a take is a set list, too"


def test_what_is_learned_while_it_plays_is_saved_with_the_take(set_list, tmp_path):
    student = rtfx.load("klon.json")
    x = noise(20 * RATE, level=0.3)[:, 0]
    with rtfx.Rig([{"type": "gate"}, student, "cab.wav"]).play(device="null", input=x, sample_rate=RATE) as stream:
        stream.wait(0.2)
        for step in range(5):
            student.update({name: (0.9 + 0.005 * step) * array for name, array in student.weights.items()})
            stream.wait(0.05)
        stream.takes.save(tmp_path)
    _, _, verdict = rendered(tmp_path / "take.yaml")
    assert about(tmp_path / "take.yaml")["fault"].endswith("a chain or a model was changed in it")
    assert verdict.startswith("not exact") and "was given other weights while it played" in verdict
    saved = rtfx.load(str(tmp_path / "take.model.json"))
    assert all(np.allclose(array, saved.weights[name], rtol=1e-6) for name, array in student.weights.items())


def test_a_chain_that_is_edited_in_it_is_told(set_list, tmp_path):
    x = noise(60 * RATE, level=0.3)[:, 0]
    with rtfx.Rig.from_yaml(set_list).play(device="null", input=x, sample_rate=RATE, watch=True) as stream:
        stream.wait(0.3)
        set_list.write_text(set_list.read_text().replace("{type: gate}", "{type: gain, gain_db: -3}"))
        assert "another chain" in told(stream)
        stream.wait(0.3)
        stream.takes.save(tmp_path)
    _, _, verdict = rendered(tmp_path / "take.yaml")
    assert "a chain or a model was changed in it" in verdict
    assert load_set_list(tmp_path / "take.yaml", BLOCKS).presets[0].chain[0].type == "gain", "as it is at the end"


def told(stream) -> str:
    """Return the next news of a stream."""
    for _ in range(600):
        lines = stream.news()
        if lines:
            return " ".join(lines)
        stream.wait(0.05)
    raise AssertionError("nothing was told")


def test_takes_are_numbered_and_never_overwrite(set_list, tmp_path):
    band = Band(set_list)
    try:
        band.engine.drive(noise(1000), 64)
        names = [band.takes.save().name for _ in range(3)]
    finally:
        band.close()
    assert names == ["take.yaml", "take-2.yaml", "take-3.yaml"]
    assert is_take(tmp_path / "take-3.yaml") and not is_take(set_list)


def saved(set_list) -> None:
    band = Band(set_list, 20.0)
    try:
        play_at_random(band, np.random.default_rng(3), 60)
        band.takes.save()
    finally:
        band.close()


def test_a_file_that_has_changed_since_is_heard_and_told(set_list, tmp_path):
    saved(set_list)
    cab = response(6000)
    cab[0] += 0.1
    soundfile.write(tmp_path / "cab.wav", cab, RATE, subtype="FLOAT")
    _, _, verdict = rendered(tmp_path / "take.yaml")
    assert "differs by up to" in verdict and "was a file changed since?" in verdict
    (tmp_path / "take.wet.wav").unlink()
    replay = Replay(tmp_path / "take.yaml")
    replay.process([soundfile.read(tmp_path / "take.dry.wav", dtype="float32", always_2d=True)[0]], RATE, 1)
    assert "whether it is exact is not known" in replay.verdict


@pytest.mark.parametrize(
    ("part", "old", "new", "words"),
    [
        (".yaml", "version: 3", "version: 2", "version is 2, expected 3"),
        (".yaml", "lead_frames", "leed_frames", "this take is damaged (KeyError"),
        (".events.json", '"frame"', '"fame"', "this take is damaged (KeyError"),
        (".events.json", "[", "{", "this take is damaged (JSONDecodeError"),
    ],
)
def test_a_damaged_take_is_an_error_of_one_line(set_list, tmp_path, part, old, new, words):
    saved(set_list)
    path = tmp_path / f"take{part}"
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(PresetError) as caught:
        list(Replay(tmp_path / "take.yaml").process([np.zeros((100, 1), np.float32)], RATE, 1)[0])
    assert words in str(caught.value) and "\n" not in str(caught.value)


@pytest.fixture
def user(tmp_path, monkeypatch):
    monkeypatch.setattr(find, "user_folder", lambda: tmp_path / "user")
    return tmp_path / "user"


def saved_in(set_list, folder=None) -> tuple[Path, list[str]]:
    """Return the folder in which a take was saved, and the messages about it."""
    band = Band(set_list)
    try:
        band.engine.drive(noise(5000), 64)
        take = band.takes.save(folder)
    finally:
        band.close()
    return take, [*band.takes.news, *([f"error: {band.takes.error}"] if band.takes.error else [])]


def test_a_folder_that_takes_nothing_is_replaced_as_for_recordings(set_list, tmp_path, user, monkeypatch):
    take, news = saved_in(set_list, "/proc")  # where no file can be made, whoever asks
    assert take == tmp_path / "take.yaml" and any("/proc cannot be written to" in line for line in news)
    monkeypatch.setattr(find.os, "access", lambda path, mode: Path(path) != tmp_path)
    take, news = saved_in(set_list)
    assert take == user / "takes" / "take.yaml"
    wet, again, verdict = rendered(take)
    assert verdict.startswith("exact"), verdict


def test_a_disk_that_fills_up_leaves_nothing_there_and_the_take_goes_elsewhere(set_list, tmp_path, user, monkeypatch):
    full, write = tmp_path / "full", GrowingWave.write

    def put(wave, block):
        if wave.path.parent == full and "wet" in wave.path.name:
            raise OSError(28, "No space left on device")
        write(wave, block)

    monkeypatch.setattr(GrowingWave, "write", put)
    _, news = saved_in(set_list, full)
    assert list(full.iterdir()) == [] and (tmp_path / "take.yaml").is_file()
    assert any("No space left" in line and f"goes to {tmp_path}" in line for line in news)
    wet, again, verdict = rendered(tmp_path / "take.yaml")
    assert verdict.startswith("exact"), verdict
    monkeypatch.setattr("rtfx.live.takes.writable_folders", lambda wanted, size: iter([full]))
    _, news = saved_in(set_list, full)
    assert list(full.iterdir()) == [] and "error: the take could not be written" in news[-1]


def test_a_take_on_a_slow_disk_is_waited_for(set_list, tmp_path, monkeypatch):
    write = GrowingWave.write

    def slow(wave, block):
        time.sleep(0.5)
        write(wave, block)

    monkeypatch.setattr(GrowingWave, "write", slow)
    monkeypatch.setattr("rtfx.live.takes.PIECE", 1000)
    monkeypatch.setattr(timeouts, "STALLED_SECONDS", 2.0)  # of a piece, not of all ten
    monkeypatch.setattr(timeouts, "QUIET_SECONDS", 0.1)
    take, news = saved_in(set_list)
    assert "the disk is slow" in news[0] and "saved as take" in news[-1]
    assert soundfile.info(tmp_path / "take.wet.wav").frames == 5000 and is_take(take)


def test_a_take_of_which_the_disk_takes_nothing_more_is_an_error(set_list, tmp_path, monkeypatch):
    go_on, write = threading.Event(), GrowingWave.write
    monkeypatch.setattr(GrowingWave, "write", lambda wave, block: go_on.wait() and write(wave, block))
    monkeypatch.setattr(timeouts, "STALLED_SECONDS", 0.3)
    _, news = saved_in(set_list)
    go_on.set()
    assert "error: a take is not whole" in news[-1]


@pytest.mark.parametrize("stem", ["\udcff", "a\tb", "a\nb", "\u2028", "ü\u3000", "a: b #c", "'\"", "null", "n" * 240])
def test_a_take_of_files_of_any_name_can_be_played_again(set_list, tmp_path, stem):
    model, cab = tmp_path / f"{stem}.json", tmp_path / f"{stem}.wav"
    shutil.copy(find_model("klon.json"), model)
    shutil.copy(tmp_path / "cab.wav", cab)
    rig = rtfx.Rig([{"type": "model", "file": str(model)}, {"type": "cab", "file": str(cab)}])
    with rig.play(device="null", input=noise(3000)[:, 0], sample_rate=RATE) as stream:
        stream.wait()
        take = stream.takes.save(tmp_path / "takes")
    wet, again, verdict = rendered(take)
    assert verdict.startswith("exact"), verdict
