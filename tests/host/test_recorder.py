"""The recording survives what happens to disks and processes: it opens, and lacks a second at most."""

import resource
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import soundfile

from rtfx.engine.layout import ENGINE
from rtfx.engine.rings import Rings
from rtfx.host import recorder as module
from rtfx.host.recorder import Recorder
from tests.cli.command import ENVIRONMENT

RATE = 48000
CHILD = """
import sys, numpy as np, rtfx
x = np.random.default_rng(0).uniform(-0.5, 0.5, 60 * 48000).astype(np.float32)
with rtfx.Rig([{"type": "gain"}]).play(device="null", input=x, sample_rate=48000, record=sys.argv[1]) as stream:
    while not stream.wait(0.01):
        print(stream.engine.clock, flush=True)
"""


class Band:
    """Rings that a test fills in place of an audio thread."""

    def __init__(self, seconds: float = 10.0, channels: int = 2):
        self.record = np.zeros(1, ENGINE)[0]
        self.record["inputs"], self.record["outputs"] = 1, channels
        self.rings = Rings(self.record, round(seconds * RATE))
        self.played = np.zeros((0, channels), np.float32)

    def play(self, frames: int) -> None:
        x = np.random.default_rng(len(self.played)).uniform(-1, 1, (frames, self.played.shape[1])).astype(np.float32)
        self.rings.wet[np.arange(len(self.played), len(self.played) + frames) % self.rings.frames] = x
        self.played = np.concatenate([self.played, x])
        self.record["ring_head"] = len(self.played)


@pytest.fixture
def band():
    return Band()


@pytest.fixture(autouse=True)
def quick(monkeypatch, tmp_path):
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(module, "user_folder", lambda: tmp_path / "user")
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def file_limit():
    """Return a function that limits how long files may become; the limit ends with the test."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size if size else before[0], before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def until(condition, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came about"
        time.sleep(0.01)


def audio(path) -> np.ndarray:
    return soundfile.read(path, dtype="float32", always_2d=True)[0]


@pytest.mark.parametrize("suffix", ["wav", "flac"])
def test_a_killed_player_leaves_a_file_that_opens_and_lacks_a_second_at_most(tmp_path, suffix):
    path = tmp_path / f"take.{suffix}"
    clock = 0
    command = [sys.executable, "-c", CHILD, path]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=ENVIRONMENT) as child:
        while clock < 2 * RATE:
            clock = int(child.stdout.readline())
        child.send_signal(signal.SIGKILL)
        clock = int([clock, *child.stdout.read().split()][-1])
    y = audio(path)[:, 0]
    assert clock - RATE <= len(y) <= clock + RATE
    x = np.random.default_rng(0).uniform(-0.5, 0.5, 60 * RATE).astype(np.float32)[14400 : len(y)]
    assert np.abs(y[14400:] - x).max() <= (0 if suffix == "wav" else 2.0**-23)


@pytest.mark.parametrize("suffix", ["wav", "flac", "aiff"])
def test_the_file_opens_at_every_moment(tmp_path, band, suffix):
    path = tmp_path / f"take.{suffix}"
    recorder = Recorder(band.rings, path, RATE)
    recorder.start()
    for _ in range(5):
        band.play(9600)
        until(lambda: recorder.frames == len(band.played))
        y = audio(path)
        assert len(y) > len(band.played) - RATE / 10
        assert np.abs(y - band.played[: len(y)]).max() < 2.0**-22
    recorder.close()


def test_a_file_that_cannot_grow_ends_whole_and_a_part_goes_on(tmp_path, band, file_limit):
    recorder = Recorder(band.rings, tmp_path / "take.wav", RATE)
    recorder.start()
    file_limit(300_001)
    for size in (10000, 20000, 30000, 40000):
        band.play(size)
        until(lambda: recorder.frames == len(band.played))
    recorder.close()
    parts = [tmp_path / name for name in ("take.wav", "take-part2.wav", "take-part3.wav")]
    lengths = [len(audio(part)) for part in parts]
    assert lengths[0] == lengths[1] == (300_001 - 56) // 8
    assert np.array_equal(np.concatenate([audio(part) for part in parts]), band.played), "not a frame is missing"
    assert "take-part2.wav" in recorder.news[0] and "File too large" in recorder.news[0]
    assert "ends early" in recorder.error and recorder.lost == 0


def test_a_full_disk_without_another_place_is_said_and_waited_for(tmp_path, band, file_limit, monkeypatch):
    monkeypatch.setattr(module, "MOST_PARTS", 0)
    recorder = Recorder(band.rings, tmp_path / "take.wav", RATE)
    recorder.start()
    file_limit(100_000)
    band.play(30000)
    until(lambda: recorder.news)
    assert "halted after" in recorder.news.popleft() and "halted" in recorder.error
    assert np.array_equal(audio(tmp_path / "take.wav"), band.played[: (100_000 - 56) // 8])
    band.play(30000)
    file_limit(0)
    until(lambda: recorder.frames == len(band.played))
    recorder.close()
    assert np.array_equal(audio(tmp_path / "take.wav"), band.played)
    assert recorder.news.popleft().endswith("goes on") and not recorder.error and not recorder.news


@pytest.mark.parametrize("suffix", ["wav", "flac"])
def test_a_removed_folder_comes_back_with_all_of_the_recording(tmp_path, band, suffix):
    folder = tmp_path / "takes"
    folder.mkdir()
    recorder = Recorder(band.rings, folder / f"take.{suffix}", RATE)
    recorder.start()
    band.play(50000)
    until(lambda: recorder.frames == len(band.played))
    shutil.rmtree(folder)
    until(lambda: recorder.news)
    band.play(50000)
    until(lambda: recorder.frames == len(band.played))
    recorder.close()
    assert "removed" in recorder.news[0]
    y = np.concatenate([audio(path) for path in sorted(folder.iterdir(), key=lambda p: len(p.name))])
    assert len(y) > len(band.played) - RATE / 10
    if suffix == "wav":
        assert np.array_equal(y, band.played) and not recorder.error


def test_a_folder_that_was_only_moved_keeps_its_file(tmp_path, band):
    (tmp_path / "a").mkdir()
    recorder = Recorder(band.rings, tmp_path / "a" / "take.wav", RATE)
    recorder.start()
    band.play(5000)
    (tmp_path / "a").rename(tmp_path / "b")
    time.sleep(0.2)
    band.play(5000)
    recorder.close()
    assert np.array_equal(audio(tmp_path / "b" / "take.wav"), band.played)
    assert not recorder.news and not (tmp_path / "a").exists()


def test_frames_that_the_disk_was_too_slow_for_are_silence_and_counted(tmp_path):
    band = Band(seconds=0.5)
    recorder = Recorder(band.rings, tmp_path / "take.wav", RATE)
    band.play(10000)
    recorder._drain()
    band.play(100_000)
    recorder.start()
    recorder.close()
    y = audio(tmp_path / "take.wav")
    assert len(y) == 110_000
    assert np.array_equal(y[:10000], band.played[:10000]) and np.array_equal(y[-20000:], band.played[-20000:])
    assert recorder.lost == (y[10000:] == 0.0).all(axis=1).sum() > 50_000


def test_it_ends_where_the_stream_stops(tmp_path, band):
    band.play(5000)
    for stop, limit, expected in ((3000, None, 3000), (-1, 4000, 4000), (3000, 2000, 2000), (-1, None, 5000)):
        recorder = Recorder(band.rings, tmp_path / "take.wav", RATE, lambda stop=stop: stop, limit)
        recorder.start()
        recorder.close()
        assert np.array_equal(audio(tmp_path / "take.wav"), band.played[:expected])
