"""Audio files and pipes: the same samples are read as were written, and no incomplete file remains."""

import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import soundfile

from rtfx import wave_headers
from rtfx.audio import Reader
from rtfx.errors import AudioFileError
from rtfx.host.wave import Writer, quantise

RATE = 48000


def noise(channels: int, frames: int) -> np.ndarray:
    return np.random.default_rng(7).uniform(-0.99, 0.99, (frames, channels)).astype(np.float32)


def read(path, block_size=1000) -> np.ndarray:
    with Reader(path) as reader:
        return np.concatenate(list(reader.blocks(block_size)))


def write(path, blocks, **options) -> None:
    with Writer(path, RATE, blocks[0].shape[1], **options) as writer:
        for block in blocks:
            writer.write(block)


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".aiff", ".w64", ".rf64"])
@pytest.mark.parametrize(("encoding", "bits"), [("PCM_16", 16), ("PCM_24", 24), ("FLOAT", 32)])
@pytest.mark.parametrize("channels", [1, 2])
def test_round_trip(tmp_path, suffix, encoding, bits, channels):
    if (suffix, encoding) == (".flac", "FLOAT"):
        with pytest.raises(AudioFileError, match="FLAC holds no floats"):
            Writer(tmp_path / "x.flac", RATE, 1, "FLOAT")
        return
    path = tmp_path / f"x{suffix}"
    x = noise(channels, 5003)
    write(path, np.array_split(x, 7), encoding=encoding)
    y = read(path)
    assert y.shape == x.shape
    assert y.dtype == np.float32
    assert y.flags.c_contiguous
    # nearest integer: half a step at most; floats exactly
    assert np.abs(y - x).max() <= (0.0 if bits == 32 else 0.5 / 2 ** (bits - 1))
    assert os.listdir(tmp_path) == [path.name]


@pytest.mark.parametrize("bits", [16, 24])
def test_what_was_read_is_written_back_exactly(tmp_path, bits):
    encoding = f"PCM_{bits}"
    soundfile.write(tmp_path / "a.wav", noise(1, 4000), RATE, subtype=encoding)
    write(tmp_path / "b.wav", [read(tmp_path / "a.wav")], encoding=encoding)
    assert np.array_equal(read(tmp_path / "a.wav"), read(tmp_path / "b.wav"))


def test_integers_clip_and_know_no_nan():
    x = np.array([2.0, -2.0, 1.0, -1.0, np.nan, np.inf], np.float32)
    assert list(quantise(x, 16) >> 16) == [32767, -32768, 32767, -32768, 0, 32767]


@pytest.mark.parametrize("block_size", [1, 64, 4999, 5003, 10000])
def test_blocks_cover_the_file_once(tmp_path, block_size):
    x = noise(2, 5003) if block_size > 1 else noise(2, 53)
    write(tmp_path / "x.wav", [x], encoding="FLOAT")
    with Reader(tmp_path / "x.wav") as reader:
        assert (reader.sample_rate, reader.channels, reader.frames) == (RATE, 2, len(x))
        sizes = [len(block) for block in reader.blocks(block_size)]
    assert sum(sizes) == len(x)
    assert all(size == block_size for size in sizes[:-1])
    assert np.array_equal(read(tmp_path / "x.wav", block_size), x)


def test_failure_leaves_nothing(tmp_path):
    with pytest.raises(RuntimeError), Writer(tmp_path / "x.wav", RATE, 1) as writer:
        writer.write(noise(1, 100))
        assert not (tmp_path / "x.wav").exists()
        raise RuntimeError
    assert os.listdir(tmp_path) == []


def test_failure_keeps_the_old_file(tmp_path):
    path = tmp_path / "x.wav"
    write(path, [noise(1, 10)], encoding="FLOAT")
    with pytest.raises(RuntimeError), Writer(path, RATE, 1, overwrite=True) as writer:
        writer.write(noise(1, 100))
        raise RuntimeError
    assert read(path).shape == (10, 1)


def test_file_that_appears_meanwhile_is_kept(tmp_path):
    path = tmp_path / "x.wav"
    with pytest.raises(AudioFileError, match="meanwhile"), Writer(path, RATE, 1) as writer:
        writer.write(noise(1, 100))
        path.write_bytes(b"mine")
    assert path.read_bytes() == b"mine"
    assert os.listdir(tmp_path) == ["x.wav"]


def test_existing_file_is_kept_unless_told(tmp_path):
    path = tmp_path / "x.wav"
    path.write_bytes(b"mine")
    with pytest.raises(AudioFileError, match="exists already.*-y"):
        Writer(path, RATE, 1)
    write(path, [noise(1, 10)], overwrite=True)
    assert read(path).shape == (10, 1)


@pytest.mark.parametrize(
    ("name", "message"),
    [("x.mp3", "expected one of .wav"), ("x", "expected one of"), ("none/x.wav", "no such folder: mkdir -p")],
)
def test_targets_that_cannot_be(tmp_path, name, message):
    with pytest.raises(AudioFileError, match=message):
        Writer(tmp_path / name, RATE, 1)
    assert os.listdir(tmp_path) == []


def test_what_holds_four_gigabytes_at_most_says_so_before_the_work_begins(tmp_path):
    for frames in (2**29, 0):
        with pytest.raises(AudioFileError, match=r"4 GiB.*\.wav"):
            with Writer(tmp_path / "x.aiff", RATE, 2, "FLOAT", frames=frames) as writer:
                assert not frames
                writer.frames = 2**29  # a pipe's length is not known before
                writer.write(noise(2, 10))
        assert os.listdir(tmp_path) == []
    with pytest.raises(AudioFileError, match="FLAC holds at most 8 channels.*name it .wav"):
        Writer(tmp_path / "x.flac", RATE, 9)


@pytest.mark.parametrize("encoding", ["PCM_16", "PCM_24", "FLOAT"])
def test_beyond_four_gigabytes_a_wav_is_an_rf64(tmp_path, monkeypatch, encoding):
    monkeypatch.setattr(wave_headers, "LARGEST", 9000)  # as if sizes had 13 bits in place of 32
    x = noise(1, 5003)
    write(tmp_path / "x.wav", np.array_split(x, 7), encoding=encoding)
    assert soundfile.info(tmp_path / "x.wav").format == "RF64"
    assert read(tmp_path / "x.wav").shape == x.shape and np.abs(read(tmp_path / "x.wav") - x).max() < 2.0**-15
    write(tmp_path / "y.wav", [x[:100]], encoding=encoding)
    assert soundfile.info(tmp_path / "y.wav").format == "WAV"


@pytest.mark.parametrize(
    "content",
    [b"", b"<html></html>", b"RIFF\0\0\0\0WAVE", b"fLaC" + bytes(50), os.urandom(64)],
    ids=["nothing", "HTML", "RIFF", "FLAC", "noise"],
)
def test_no_audio_is_one_line(tmp_path, content):
    path = tmp_path / "bad.wav"
    path.write_bytes(content)
    with pytest.raises(AudioFileError) as caught:
        read(path)
    assert "bad.wav" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(AudioFileError, match="no such file"):
        Reader(tmp_path / "none.wav")
    with pytest.raises(AudioFileError, match="is a folder"):
        Reader(tmp_path)


COPY = textwrap.dedent("""
    import sys
    from rtfx.audio import Reader
    from rtfx.host.wave import Writer
    with Reader("-") as reader, Writer("-", reader.sample_rate, reader.channels, sys.argv[1]) as writer:
        for block in reader.blocks(777):
            writer.write(block)
    print(reader.frames, file=sys.stderr)
""")


def through_pipes(data: bytes, encoding: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-c", COPY, encoding], input=data, capture_output=True, timeout=60)


@pytest.mark.parametrize(("encoding", "bits"), [("PCM_16", 16), ("PCM_24", 24), ("FLOAT", 32)])
def test_pipes(tmp_path, encoding, bits):
    x = noise(2, 5003)
    write(tmp_path / "x.wav", [x], encoding=encoding)
    first = through_pipes((tmp_path / "x.wav").read_bytes(), encoding)
    assert first.stderr.strip() == b"None"
    second = through_pipes(first.stdout, encoding)  # from the header of unknown length
    assert second.stdout == first.stdout
    # a pipe's header claims 4 GiB: read the samples by hand
    raw = np.frombuffer(second.stdout[44:], np.uint8)
    assert raw.size == 5003 * 2 * bits // 8
    (tmp_path / "y.wav").write_bytes(second.stdout)
    assert np.array_equal(read(tmp_path / "y.wav"), read(tmp_path / "x.wav"))


def test_standard_output_into_a_file_has_true_lengths(tmp_path):
    write(tmp_path / "x.wav", [noise(1, 5003)])
    with open(tmp_path / "x.wav", "rb") as source, open(tmp_path / "y.wav", "wb") as target:
        subprocess.run([sys.executable, "-c", COPY, "PCM_24"], stdin=source, stdout=target, check=True, timeout=60)
    assert soundfile.info(tmp_path / "y.wav").frames == 5003
    header = (tmp_path / "y.wav").read_bytes()[:44]
    assert int.from_bytes(header[40:44], "little") == 5003 * 3


def test_pipe_that_is_no_wav():
    done = through_pipes(b"nonsense" * 100, "PCM_16")
    assert b"standard input: cannot be read as audio" in done.stderr
    assert done.stdout == b""
