"""After failures of disks and processes the recording can be opened, and at most a second is missing."""

import os
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import soundfile

from rtfx import find, wave_headers
from rtfx.engine.layout import ENGINE
from rtfx.engine.rings import Rings
from rtfx.errors import AudioFileError
from rtfx.host import growing, timeouts
from rtfx.host import recorder as module
from rtfx.host.recorder import Recorder
from tests.cli.command import ENVIRONMENT

RATE = 48000
HEAD = 92  # bytes of the header of a WAV of floats
CHILD = """
import sys, numpy as np, rtfx
x = np.random.default_rng(0).uniform(-0.5, 0.5, 60 * 48000).astype(np.float32)
with rtfx.Rig([{"type": "gain"}]).play(device="null", input=x, sample_rate=48000, record=sys.argv[1]) as stream:
    while not stream.wait(0.01):
        print(stream.engine.clock, flush=True)
"""


class Band:
    """Ring buffers that the test fills, in place of an audio thread."""

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
    monkeypatch.setattr(find, "user_folder", lambda: tmp_path / "user")
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


@pytest.mark.slow
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
    assert lengths[0] == lengths[1] == (300_001 - HEAD) // 8
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
    assert np.array_equal(audio(tmp_path / "take.wav"), band.played[: (100_000 - HEAD) // 8])
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


class Disk:
    """A disk that is slow for each piece of audio, and may stop completely."""

    def __init__(self, monkeypatch, seconds: float = 0.0):
        self.seconds, self.gone = seconds, threading.Event()
        write = growing.GrowingWave._put

        def put(wave, place, data):
            if len(data) > HEAD:
                time.sleep(self.seconds)
                while self.gone.is_set():
                    time.sleep(0.01)
            return write(wave, place, data)

        monkeypatch.setattr(growing.GrowingWave, "_put", put)


def test_a_slow_disk_is_waited_for_while_it_gets_on_and_that_is_said(tmp_path, band, monkeypatch):
    Disk(monkeypatch, 0.3)
    monkeypatch.setattr(module, "WRITE_SECONDS", 0.5)
    monkeypatch.setattr(timeouts, "QUIET_SECONDS", 0.1)
    monkeypatch.setattr(timeouts, "STALLED_SECONDS", 1.5)  # of each write, not of all eight together
    band.play(4 * RATE)
    recorder = Recorder(band.rings, tmp_path / "take.wav", RATE)
    recorder.start()
    recorder.close()
    assert np.array_equal(audio(tmp_path / "take.wav"), band.played)
    assert not recorder.error and recorder.lost == 0
    assert any("the disk is slow" in line and "s of the recording are left" in line for line in recorder.news)


def test_a_disk_that_stops_is_given_up_and_what_is_missing_is_named(tmp_path, band, monkeypatch):
    disk = Disk(monkeypatch)
    monkeypatch.setattr(timeouts, "STALLED_SECONDS", 0.3)
    recorder = Recorder(band.rings, tmp_path / "take.wav", RATE)
    recorder.start()
    band.play(RATE)
    until(lambda: recorder.frames == RATE)
    disk.gone.set()
    band.play(RATE // 2)
    recorder.close()
    assert recorder.lost == RATE // 2 and recorder.gaps == [(RATE, RATE + RATE // 2)]
    assert "lacks 24000 frames, 48000 to 72000 (1.00 to 1.50 s)" in recorder.error
    assert "has taken nothing" in recorder.error
    assert np.array_equal(audio(tmp_path / "take.wav"), band.played[:RATE]), "what was written opens"
    disk.gone.clear()  # it is back: the file was not closed under the thread that writes
    until(lambda: len(audio(tmp_path / "take.wav")) == len(band.played))


def test_each_gap_has_its_place(tmp_path, monkeypatch):
    band = Band(seconds=0.5)
    recorder = Recorder(band.rings, tmp_path / "take.wav", RATE)
    for kept, missed in ((5000, 100_000), (5000, 60_000)):
        band.play(kept)
        recorder._drain()
        band.play(missed)
        recorder._drain()
    recorder.start()
    recorder.close()
    y = audio(tmp_path / "take.wav")
    assert len(y) == len(band.played) and len(recorder.gaps) == 2
    for first, end in recorder.gaps:
        assert not y[first:end].any() and f"{first} to {end}" in recorder.error
        y[first:end] = band.played[first:end]
    assert np.array_equal(y, band.played), "outside of the gaps nothing is missing"
    assert f"lacks {recorder.lost} frames" in recorder.error and "silence" in recorder.error
    assert "too slow" in recorder.news[0]


def test_a_full_disk_at_the_end_says_what_is_missing(tmp_path, band, file_limit, monkeypatch):
    monkeypatch.setattr(module, "MOST_PARTS", 0)
    recorder = Recorder(band.rings, tmp_path / "take.wav", RATE)
    recorder.start()
    file_limit(HEAD + 8 * 10_000)
    band.play(30000)
    recorder.close()
    assert "lacks 20000 frames, 10000 to 30000" in recorder.error and "make room" in recorder.error


def test_a_writer_that_breaks_says_so(tmp_path, band, monkeypatch):
    recorder = Recorder(band.rings, tmp_path / "take.wav", RATE)
    monkeypatch.setattr(growing.GrowingWave, "write", lambda wave, block: 1 / 0)
    band.play(1000)
    recorder.start()
    recorder.close()
    assert "lacks 1000 frames, 0 to 1000" in recorder.error and "ZeroDivisionError" in recorder.error


@pytest.mark.parametrize("suffix", ["wav", "rf64"])
def test_beyond_four_gigabytes_a_wav_is_an_rf64(tmp_path, band, monkeypatch, suffix):
    monkeypatch.setattr(wave_headers, "LARGEST", 100_000)  # as if sizes had 17 bits in place of 32
    path = tmp_path / f"take.{suffix}"
    recorder = Recorder(band.rings, path, RATE)
    recorder.start()
    for frames in (5000, 20000):
        band.play(frames)
        until(lambda: recorder.frames == len(band.played))
        assert np.array_equal(audio(path), band.played)
        assert path.read_bytes()[:4] == (b"RF64" if frames > 5000 or suffix == "rf64" else b"RIFF")
    recorder.close()
    assert not recorder.error and soundfile.info(path).format == "RF64"


def test_a_header_counts_more_than_four_gigabytes(tmp_path):
    """A sparse file: only its header is on the disk."""
    layout = wave_headers.Layout(2, RATE, 32, wave_headers.FLOAT)
    frames = 2**30
    head = wave_headers.header(layout, 8 * frames)
    with open(tmp_path / "x.wav", "wb") as file:
        file.write(head)
        file.truncate(len(head) + 8 * frames)
    assert soundfile.info(tmp_path / "x.wav").frames == frames
    assert len(head) == len(wave_headers.header(layout, 0)) == HEAD


def test_an_aiff_at_its_end_goes_on_in_a_part(tmp_path, band, monkeypatch):
    monkeypatch.setattr(growing, "MOST_BYTES", 80_000)
    recorder = Recorder(band.rings, tmp_path / "take.aiff", RATE)
    recorder.start()
    for _ in range(3):
        band.play(5000)
        until(lambda: recorder.frames == len(band.played))
    recorder.close()
    parts = [audio(tmp_path / name) for name in ("take.aiff", "take-part2.aiff")]
    assert np.array_equal(np.concatenate(parts), band.played)
    assert "4 GiB" in recorder.error


@pytest.mark.parametrize("name", ["take.raw", "take.mp3", "take", "take.wav.", "take.sd2", "-", "take.wav ", ".wav"])
def test_a_name_that_could_not_be_read_again_is_refused_at_once(tmp_path, band, name):
    with pytest.raises(AudioFileError, match="expected one of .wav"):
        Recorder(band.rings, tmp_path / name, RATE)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    "name",
    ["take.WAV", "-take.wav", "--x.Flac", "ü\u3000.wav", "\udcff.wav", "a\nb.aiff", "[*].wav", "x" * 251 + ".wav"],
)
def test_a_take_of_any_other_name_is_read_again(tmp_path, band, name):
    band.play(5000)
    for _ in range(2):  # the earlier take gets a name that is not too long either
        recorder = Recorder(band.rings, tmp_path / name, RATE)
        recorder.start()
        recorder.close()
    assert not recorder.error
    for found in os.listdir(os.fsencode(tmp_path)):
        assert len(audio(os.fsencode(tmp_path) + b"/" + found)) == 5000
    assert len(os.listdir(tmp_path)) == 2


@pytest.mark.parametrize("content", [b"an earlier take", b"", None])
def test_a_recording_goes_through_a_link_and_keeps_permissions(tmp_path, band, content):
    (tmp_path / "disk").mkdir()
    behind = tmp_path / "disk" / "here.wav"
    if content is not None:
        behind.write_bytes(content)
        behind.chmod(0o640)
    (tmp_path / "take.wav").symlink_to(behind)
    band.play(5000)
    recorder = Recorder(band.rings, tmp_path / "take.wav", RATE)
    recorder.start()
    recorder.close()
    assert (tmp_path / "take.wav").is_symlink() and np.array_equal(audio(behind), band.played)
    assert content is None or behind.stat().st_mode & 0o777 == 0o640
    assert not content or (tmp_path / "disk" / "here-1.wav").read_bytes() == content


def test_what_is_no_file_is_not_recorded_to(tmp_path, band):
    os.mkfifo(tmp_path / "pipe.wav")
    (tmp_path / "device.wav").symlink_to("/dev/null")
    for name, found in (("pipe.wav", "a named pipe"), ("device.wav", "a device"), ("", "a folder")):
        with pytest.raises(AudioFileError, match=f"is {found}"):
            Recorder(band.rings, tmp_path / name, RATE)


def test_a_file_that_cannot_be_begun_leaves_the_earlier_take_and_nothing_else(tmp_path, band, file_limit):
    (tmp_path / "take.wav").write_bytes(b"an earlier take")
    file_limit(10)
    with pytest.raises(AudioFileError, match="File too large"):
        Recorder(band.rings, tmp_path / "take.wav", RATE)
    file_limit(0)
    assert os.listdir(tmp_path) == ["take.wav"] and (tmp_path / "take.wav").read_bytes() == b"an earlier take"
    many = Band(channels=9)
    with pytest.raises(AudioFileError, match="cannot be recorded to"):
        Recorder(many.rings, tmp_path / "take.flac", RATE)
    assert os.listdir(tmp_path) == ["take.wav"]


def test_an_interrupt_of_the_wait_says_what_is_missing(tmp_path, band, monkeypatch):
    disk = Disk(monkeypatch)
    disk.gone.set()
    recorder = Recorder(band.rings, tmp_path / "take.wav", RATE)
    recorder.start()
    band.play(1000)
    monkeypatch.setattr(timeouts, "QUIET_SECONDS", 0.0)
    told = []

    def say(line):
        told.append(line)
        if len(told) == 1:
            raise KeyboardInterrupt

    recorder.say = say
    with pytest.raises(KeyboardInterrupt):
        recorder.close()
    disk.gone.clear()
    assert "lacks 1000 frames, 0 to 1000" in told[1] and "interrupted" in told[1]


def test_a_disk_that_is_late_is_told_of_while_it_plays_once(tmp_path, band, monkeypatch):
    monkeypatch.setattr(module, "LATE_SECONDS", 1.0)
    disk = Disk(monkeypatch)
    disk.gone.set()
    recorder = Recorder(band.rings, tmp_path / "take.wav", RATE)
    recorder.start()
    for _ in range(4):
        band.play(RATE)
        recorder.look()
    assert [line.partition("take.wav: ")[2] for line in recorder.news] == [
        "the disk is 2 s late, the recording waits in memory"
    ]
    disk.gone.clear()
    recorder.close()
    assert np.array_equal(audio(tmp_path / "take.wav"), band.played) and not recorder.error
