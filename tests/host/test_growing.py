"""A growing file is complete after every write: its header, the bytes of its samples, the requested container."""

import numpy as np
import pytest
import soundfile

from rtfx.errors import AudioFileError
from rtfx.host.growing import GrowingWave, check_growing, layout_of, wave_bytes

RATE = 48000


def noise(frames: int, channels: int = 2) -> np.ndarray:
    return np.random.default_rng(0).uniform(-1.0, 1.0, (frames, channels)).astype(np.float32)


@pytest.mark.parametrize("large, mark", [(None, b"RIFF"), (False, b"RIFF"), (True, b"RF64")])
def test_any_program_opens_a_wav_unless_it_may_become_large(tmp_path, large, mark):
    path, x = tmp_path / "take.wav", noise(1000)
    wave = GrowingWave(path, RATE, 2, **({} if large is None else {"large": large}))
    for first in range(0, 1000, 300):
        wave.write(x[first : first + 300])
        assert path.read_bytes()[:4] == mark and path.read_bytes()[8:12] == b"WAVE"
        assert np.array_equal(soundfile.read(path, dtype="float32")[0], x[: first + 300]), "whole after every write"
        assert wave.frames == min(first + 300, 1000)
    wave.close()
    wave.close()
    assert soundfile.info(path).subtype == "FLOAT"


@pytest.mark.parametrize("encoding, bits", [("PCM_16", 16), ("PCM_24", 24)])
def test_whole_numbers_keep_their_upper_bits(tmp_path, encoding, bits):
    x = np.array([[0x12345678, -1], [-0x12345678, 0x7FFFFFFF], [0, 1 << 30]], np.int64).astype(np.int32)
    path = tmp_path / "take.wav"
    wave = GrowingWave(path, RATE, 2, encoding=encoding)
    wave.write(x)
    wave.close()
    read, rate = soundfile.read(path, dtype="int32")
    assert rate == RATE and soundfile.info(path).subtype == encoding
    assert np.array_equal(read, x >> (32 - bits) << (32 - bits))
    assert len(wave_bytes(x, layout_of(RATE, 2, encoding))) == x.size * bits // 8


def test_an_odd_number_of_bytes_is_filled_up(tmp_path):
    path = tmp_path / "take.wav"
    wave = GrowingWave(path, RATE, 1, encoding="PCM_24")
    wave.write(np.zeros((3, 1), np.int32))
    before = path.stat().st_size
    wave.close()
    assert path.stat().st_size == before + 1 and soundfile.info(path).frames == 3


def test_a_file_that_is_there_is_not_written_over(tmp_path):
    path = tmp_path / "take.wav"
    path.write_bytes(b"mine")
    with pytest.raises(FileExistsError):
        GrowingWave(path, RATE, 1)
    assert path.read_bytes() == b"mine"


@pytest.mark.parametrize("name", ["take.wav", "take.FLAC", "take.aiff"])
def test_names_that_can_be_recorded_to(tmp_path, name):
    check_growing(tmp_path / name)


@pytest.mark.parametrize(
    "name, words", [("take", "suffix is ''"), ("take.mp3", r"'\.mp3', expected one of"), ("no/take.wav", "mkdir -p")]
)
def test_names_that_cannot(tmp_path, name, words):
    with pytest.raises(AudioFileError, match=words):
        check_growing(tmp_path / name)
