"""A take played again is the wet recording, bit for bit: whatever was turned, switched, faded or cut how."""

import shutil
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
import yaml

import rtfx
from rtfx.effects.table import BLOCKS
from rtfx.engine.engine import Engine
from rtfx.engine.rig import EngineRig
from rtfx.find import find_model
from rtfx.host import fallback_folders, timeouts
from rtfx.host.growing import GrowingWave
from rtfx.live.controller import Controller
from rtfx.live.take import describe, keeper
from rtfx.live.take.describe import Described
from rtfx.live.take.replay import Replay, take_in
from rtfx.live.take.takes import Takes
from rtfx.loading.load import Loader, load_presets
from rtfx.plan.resolve import Models, Options
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


@pytest.fixture
def often(monkeypatch):
    """States are copied so often that takes begin in the middle of things."""
    monkeypatch.setattr(keeper, "SNAPSHOT_SECONDS", 0.05)
    monkeypatch.setattr(keeper, "SPARE_SECONDS", 0.2)


class Band:
    """An engine with its controller and takes, driven by hand instead of by a device."""

    def __init__(self, path: Path, ring_seconds: float = 3.0, **settings):
        presets = load_set_list(path, BLOCKS).presets
        options = Options(level="none")
        models = Models()
        loaded, _ = load_presets(presets, 0, {}, Loader(float(RATE), models, options))
        self.engine = Engine(float(RATE), ring_frames=round(ring_seconds * RATE), **settings)
        self.controller = Controller(self.engine, loaded)
        self.takes = Takes(self.engine, Described(loaded, 0, {}, options, False, models))
        self.takes.keeper._states.append(keeper.snapshot(self.engine, still=True))
        self.controller.start()

    def close(self) -> None:
        self.controller.stop()
        self.takes.close()


def play_at_random(band: Band, generator, blocks: int, largest: int = 1500) -> None:
    """Drive so many callbacks of random sizes; turn, switch, mute and bypass at random in between."""
    size = 64
    for _ in range(blocks):
        if generator.random() < 0.2:
            size = int(generator.choice([1, 16, 64, 100, 512, 513, largest]))
        band.engine.drive((0.3 * generator.standard_normal((size, 1))).astype(np.float32), size)
        band.takes.keeper._look()
        if generator.random() < 0.25:
            event_at_random(band, generator)
            time.sleep(float(generator.choice([0.0, 0.001, 0.003])))


def event_at_random(band: Band, generator) -> None:
    kind = generator.integers(6)
    if kind == 0:
        band.controller.select(int(generator.integers(3)) % len(band.controller.presets))
    elif kind in (1, 2):
        addresses = [p for p in band.controller.preset.parameters() if p[1].kind == "continuous"]
        address, parameter, _ = addresses[int(generator.integers(len(addresses)))]
        band.controller.set(address, float(generator.uniform(parameter.minimum, parameter.maximum)))
    else:
        name = ("in_gain", "out_gain", "wet", "open")[int(generator.integers(4))]
        on = float(generator.random() < 0.75)
        band.engine.glide(name, on if name in ("wet", "open") else float(generator.uniform(0.2, 1.5)))


def louder(factor: float):
    """Return klon.json with other weights."""
    klon = rtfx.load("klon.json")
    klon.update({name: factor * array for name, array in klon.weights.items()})
    return klon.spec


def rendered(take: Path, tmp_path) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Return (wet as saved, the take played again, warnings)."""
    base = str(take).removesuffix(".yaml")
    dry, wet = (soundfile.read(base + part, dtype="float32", always_2d=True)[0] for part in (".dry.wav", ".wet.wav"))
    replay = Replay(take)
    cuts = np.sort(np.random.default_rng(1).integers(0, len(dry), 5))
    blocks, channels = replay.process(np.split(dry, cuts), RATE, dry.shape[1])
    again = np.concatenate(list(blocks))
    assert channels == wet.shape[1] and len(dry) == len(wet)
    return wet, again, replay.warnings


@pytest.mark.parametrize("seed", range(4))
def test_a_take_nulls_bit_for_bit_whatever_happened(set_list, often, tmp_path, seed):
    generator = np.random.default_rng(seed)
    band = Band(set_list)
    try:
        play_at_random(band, generator, 300)
        band.takes.save(seconds=0.9)
        play_at_random(band, generator, 50)
    finally:
        band.close()
    wet, again, warnings = rendered(tmp_path / "take.yaml", tmp_path)
    take = yaml.safe_load((tmp_path / "take.yaml").read_text())["take"]
    assert not warnings and take["exact"], (warnings, take.get("fault"))
    assert take["start_frame"] > 0 and len(wet) >= 0.9 * RATE, "it begins in the middle"
    assert len(take["events"]) > 10 and np.abs(wet).max() > 0.01
    assert np.array_equal(wet, again), f"differs first at {np.flatnonzero((wet != again).any(axis=1))[:1]}"


def test_a_take_of_more_events_than_a_set_list_may_hold_is_read_again(set_list, often, tmp_path, monkeypatch):
    monkeypatch.setattr(describe, "MOST_VALUES", 10)
    band = Band(set_list)
    try:
        play_at_random(band, np.random.default_rng(5), 100)
        band.takes.save(seconds=0.5)
    finally:
        band.close()
    assert yaml.safe_load((tmp_path / "take.yaml").read_text())["take"]["events"] == []
    wet, again, warnings = rendered(tmp_path / "take.yaml", tmp_path)
    assert not warnings and np.array_equal(wet, again)


def test_what_is_turned_while_a_rig_is_made_nulls_too(set_list, often, tmp_path, monkeypatch):
    """It glides there from where the rig begins, and so does the take."""
    band = Band(set_list)
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
            band.takes.keeper._look()
        band.takes.save(seconds=0.6)
    finally:
        band.close()
    wet, again, warnings = rendered(tmp_path / "take.yaml", tmp_path)
    assert not warnings and np.array_equal(wet, again)


def test_a_flood_of_presets_fills_the_slots_and_still_nulls(set_list, often, tmp_path):
    generator = np.random.default_rng(9)
    band = Band(set_list)
    try:
        play_at_random(band, generator, 60)
        for number in range(40):  # the tail of a cabinet rings longer than that
            band.controller.select(2 * (number % 2))
            if number % 3:  # new weights for one that may not have been taken yet
                band.controller.update(2 * (number % 2), "klon", louder(1.0 + 0.01 * number))
            time.sleep(0.005)
            band.engine.drive(noise(1000, seed=number), 100)
            band.takes.keeper._look()
        band.takes.save(seconds=0.3)
    finally:
        band.close()
    text = (tmp_path / "take.yaml").read_text()
    assert "waits: a rig from rest" in text, "no rig ever had to wait for a slot"
    wet, again, warnings = rendered(tmp_path / "take.yaml", tmp_path)
    assert not warnings and np.array_equal(wet, again)


def test_what_has_left_the_rings_is_forgotten(set_list, often, tmp_path):
    """Else every preset change of a night on stage would leave its values behind."""
    band = Band(set_list, ring_seconds=1.0)
    kept = []
    try:
        for number in range(120):
            band.controller.select(number % 2)
            time.sleep(0.004)
            band.engine.drive(noise(RATE // 20, seed=number), 480)
            band.takes.keeper._look()
            kept.append(len(band.engine.lives))
        band.takes.save(seconds=0.3)
    finally:
        band.close()
    assert band.engine.published > 60 and max(kept[40:]) <= max(kept[:40]) + 2, "as many as the rings hold"
    wet, again, warnings = rendered(tmp_path / "take.yaml", tmp_path)
    assert not warnings and np.array_equal(wet, again)


def test_a_young_stream_is_saved_from_its_first_frame(set_list, tmp_path):
    band = Band(set_list, live=True)
    try:
        play_at_random(band, np.random.default_rng(3), 60)
        band.takes.save()
    finally:
        band.close()
    wet, again, warnings = rendered(tmp_path / "take.yaml", tmp_path)
    assert len(wet) == band.engine.clock and wet[0] == 0.0
    assert not warnings and np.array_equal(wet, again), "the start fade too"


def test_live_on_the_null_device_and_back_by_the_command(set_list, often, tmp_path, capsys, monkeypatch):
    generator = np.random.default_rng(5)
    x = np.stack([noise(20 * RATE, level=0.3, seed=seed)[:, 0] for seed in (0, 1)])  # stereo stays stereo
    with rtfx.Rig.from_yaml(set_list).play(device="null", input=x, sample_rate=RATE, level="none") as stream:
        for _ in range(40):
            event_at_random(stream, generator)
            stream.wait(0.04)
        path = stream.takes.save(seconds=1.0)
        stream.wait(0.1)
        stream.takes.save(tmp_path / "takes", seconds=0.3)
    assert path == tmp_path / "take.yaml" and (tmp_path / "takes" / "take.wet.wav").exists()
    assert "take.dry.wav" in " ".join(stream.news())
    code, _, err = command(capsys, "render", "take.dry.wav", "out.wav", "take.yaml")
    assert code == 0 and "s of take.yaml, bit for bit what was heard\n" in err and "not bit" not in err, err
    wet, out = (soundfile.read(tmp_path / name, dtype="float32")[0] for name in ("take.wet.wav", "out.wav"))
    assert len(wet) >= RATE and np.array_equal(wet, out)
    code, _, _ = command(capsys, "render", "take.dry.wav", "twin.wav", "take.yaml:twin")
    assert code == 0, "a take is a set list, too"


def test_what_is_learned_while_it_plays_is_in_the_take(set_list, often, tmp_path):
    """Weights that are in no file, taken in between fades and floods of presets, of a model that is in no file."""
    generator = np.random.default_rng(7)
    student = rtfx.load("klon.json")
    start = student.weights
    student.update({name: 0.9 * array for name, array in start.items()})  # before it plays
    x = noise(20 * RATE, level=0.3)[:, 0]
    with rtfx.Rig([{"type": "gate"}, student, "cab.wav"]).play(device="null", input=x, sample_rate=RATE) as stream:
        for step in range(40):
            student.update({name: (0.9 + 0.005 * step) * array for name, array in start.items()})
            event_at_random(stream, generator)
            stream.wait(0.03)
        stream.takes.save(tmp_path, seconds=0.9)
    wet, again, warnings = rendered(tmp_path / "take.yaml", tmp_path)
    take = yaml.safe_load((tmp_path / "take.yaml").read_text())["take"]
    assert (tmp_path / "take.model.json").exists(), "the model as it was before it learned"
    assert len({rig.get("weights") for rig in take["rigs"].values()}) > 3
    assert take["exact"] and not warnings and np.array_equal(wet, again)


def test_what_was_edited_or_drawn_while_it_played_is_in_the_take(set_list, often, tmp_path):
    shutil.copy(find_model("klon.json"), tmp_path / "mine.json")
    set_list.write_text(SET_LIST.replace("klon.json", "mine.json").replace("bell1_db: 4}", "bell1_db: 4, id: eq}"))
    x = noise(60 * RATE, level=0.3)[:, 0]
    with rtfx.Rig.from_yaml(set_list).play(device="null", input=x, sample_rate=RATE, watch=True) as stream:
        stream.wait(0.3)
        student = rtfx.load("mine.json")
        student.update({name: 0.9 * array for name, array in student.weights.items()})
        student.save(tmp_path / "mine.json")  # as a training does, over the file
        assert "other weights" in told(stream)
        until_taken(stream, 2)
        stream.set("klon.gain", 0.8)
        set_list.write_text(set_list.read_text().replace("{type: gate}", "{type: gain, gain_db: -3}"))
        assert "another chain" in told(stream)
        until_taken(stream, 3)
        stream.select(1)
        until_taken(stream, 4)
        assert stream.reseeder.next() == ""
        assert "seed=2" in told(stream)
        until_taken(stream, 5)
        stream.set_many({"layers": 3, "activation": "sine", "link": True, "input_db": 3.0})
        assert "layers=3" in told(stream)
        until_taken(stream, 6)
        stream.takes.save(tmp_path)
    wet, again, warnings = rendered(tmp_path / "take.yaml", tmp_path)
    told_set = yaml.safe_load((tmp_path / "take.yaml").read_text())
    assert [p["name"] for p in told_set["presets"]] == ["drive", "tone", "twin", "drive 2", "drive 3"]
    assert (tmp_path / "take.klon.json").exists(), "the model as it was, which is in no file any more"
    assert told_set["take"]["exact"] and not warnings and np.array_equal(wet, again)


def told(stream) -> str:
    """Return the next news of a stream."""
    for _ in range(600):
        lines = stream.news()
        if lines:
            return " ".join(lines)
        stream.wait(0.05)
    raise AssertionError("nothing was told")


def until_taken(stream, swaps: int) -> None:
    """Wait until so many rigs have been heard: a slow machine might pass one over for the next."""
    for _ in range(600):
        if int(stream.engine.record["swaps"]) >= swaps:
            return
        stream.wait(0.05)
    raise AssertionError(f"rig {swaps} was never taken")


def test_weights_beyond_what_is_kept_are_let_go_and_that_is_said(set_list, often, tmp_path, monkeypatch):
    student = rtfx.load("klon.json")
    monkeypatch.setattr(keeper, "WEIGHT_BYTES", 2.0 * 4 * student.spec.parameter_count)
    x = noise(20 * RATE, level=0.3)[:, 0]
    with rtfx.Rig([student]).play(device="null", input=x, sample_rate=RATE) as stream:
        for step in range(10):
            student.update({name: (0.9 + 0.005 * step) * array for name, array in student.weights.items()})
            stream.wait(0.05)
        stream.wait(0.3)
        stream.takes.save(tmp_path)
    take = yaml.safe_load((tmp_path / "take.yaml").read_text())["take"]
    assert "more new weights in it than are kept" in take["fault"] and not take["exact"]


def test_takes_are_numbered_and_never_overwrite(set_list, tmp_path):
    band = Band(set_list)
    try:
        band.engine.drive(noise(1000), 64)
        names = [band.takes.save().name for _ in range(3)]
    finally:
        band.close()
    assert names == ["take.yaml", "take-2.yaml", "take-3.yaml"]
    assert take_in(tmp_path / "take-3.yaml") and not take_in(set_list)


def test_what_cannot_be_exact_says_so(set_list, tmp_path):
    band = Band(set_list)
    try:
        play_at_random(band, np.random.default_rng(3), 60)
        band.takes.save()
    finally:
        band.close()
    cab = response(6000)
    cab[0] += 0.1
    soundfile.write(tmp_path / "cab.wav", cab, RATE, subtype="FLOAT")
    (tmp_path / "take.state.npz").unlink()
    wet, again, warnings = rendered(tmp_path / "take.yaml", tmp_path)
    assert not np.array_equal(wet, again)
    assert any("cab.wav has changed" in line for line in warnings)
    assert any("take.state.npz is missing" in line for line in warnings)


@pytest.fixture
def user(tmp_path, monkeypatch):
    monkeypatch.setattr(fallback_folders, "user_folder", lambda: tmp_path / "user")
    return tmp_path / "user"


def saved_in(set_list, folder=None) -> tuple[Path, list[str]]:
    """Return where a take went that was to go into a folder, and what was said."""
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
    monkeypatch.setattr(fallback_folders.os, "access", lambda path, mode: Path(path) != tmp_path)
    take, news = saved_in(set_list)
    assert take == user / "takes" / "take.yaml"
    wet, again, warnings = rendered(take, tmp_path)
    assert np.array_equal(wet, again) and not warnings


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
    wet, again, warnings = rendered(tmp_path / "take.yaml", tmp_path)
    assert np.array_equal(wet, again) and not warnings
    monkeypatch.setattr("rtfx.live.take.takes.places", lambda wanted, size: iter([full]))
    _, news = saved_in(set_list, full)
    assert list(full.iterdir()) == [] and "error: the take could not be written" in news[-1]


def test_a_take_on_a_slow_disk_is_waited_for(set_list, tmp_path, monkeypatch):
    write = GrowingWave.write

    def slow(wave, block):
        time.sleep(0.5)
        write(wave, block)

    monkeypatch.setattr(GrowingWave, "write", slow)
    monkeypatch.setattr("rtfx.live.take.takes.PIECE", 1000)
    monkeypatch.setattr(timeouts, "STALLED_SECONDS", 2.0)  # of a piece, not of all ten
    monkeypatch.setattr(timeouts, "QUIET_SECONDS", 0.1)
    take, news = saved_in(set_list)
    assert "the disk is slow" in news[0] and "saved as take" in news[-1]
    assert soundfile.info(tmp_path / "take.wet.wav").frames == 5000 and take_in(take)


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
    wet, again, warnings = rendered(take, tmp_path)
    assert np.array_equal(wet, again) and not warnings, warnings
