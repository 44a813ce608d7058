"""Audio files are read despite odd headers; information about the recording is kept in the output."""

import os
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

import rtfx
from rtfx.audio import RATES, Reader, read_audio
from rtfx.errors import AudioFileError
from rtfx.files import write_file
from rtfx.host.wave import Writer
from tests.cli.command import ENVIRONMENT, process
from tests.cli.command import rtfx as command

RATE = 48000
SHARED = Path(__file__).parents[2] / "shared" / "cases"
X = (0.5 * np.sin(0.05 * np.arange(5000))).astype(np.float32)
DATA = np.round(X * 32767).astype("<i2").tobytes()


def chunk(name: bytes, content: bytes, size: int | None = None) -> bytes:
    return struct.pack("<4sI", name, len(content) if size is None else size) + content + bytes(len(content) % 2)


def wav(data=DATA, size=None, rate=RATE, riff=None, before=b"", behind=b"", channels=1) -> bytes:
    """Return a WAV with the given header fields."""
    form = struct.pack("<HHIIHH", 1, channels, rate, 2 * channels * rate & 0xFFFFFFFF, 2 * channels, 16)
    body = b"WAVE" + before + chunk(b"fmt ", form) + chunk(b"data", data, size) + behind
    return struct.pack("<4sI", b"RIFF", len(body) if riff is None else riff) + body


def rf64(size: int, name: bytes = b"RF64") -> bytes:
    whole = wav(size=0xFFFFFFFF)
    wide = chunk(b"ds64", struct.pack("<QQQI", len(DATA) + 72, size, 0, 0))
    return name + b"\xff" * 4 + b"WAVE" + wide + whole[12:]


def flac(tmp_path, frames: int, x=X) -> bytes:
    """Return a FLAC whose header says so many frames."""
    soundfile.write(tmp_path / "whole.flac", x, RATE)
    content = bytearray((tmp_path / "whole.flac").read_bytes())
    os.unlink(tmp_path / "whole.flac")
    word = int.from_bytes(content[21:26], "big")
    content[21:26] = (word & ~(2**36 - 1) | frames).to_bytes(5, "big")
    return bytes(content)


def put(path: Path, content: bytes) -> Path:
    write_file(path, content)
    return path


def read(path, block: int = 1000) -> tuple[np.ndarray, list[str]]:
    with Reader(path) as reader:
        audio = np.concatenate([np.zeros((0, 1), np.float32), *reader.blocks(block)])[:, 0]
        return audio, reader.warnings


LIST = chunk(b"LIST", b"INFO" + chunk(b"INAM", b"x\0"))
WRONG = {  # what a header says, and the warning, "" for none
    "an empty file": (wav(size=0), "is empty, but 0.1 s of audio follow"),
    "an empty file, closed": (wav(size=0, riff=0), "is empty, but 0.1 s of audio follow"),
    "an empty RF64": (rf64(0), "is empty, but 0.1 s of audio follow"),
    "a stream": (wav(size=0xFFFFFFFF, riff=0xFFFFFFFF), ""),
    "a stream of another program": (wav(size=0x7FFFFFFF), ""),
    "a stream of an even size": (wav(size=0xFFFFFFFE), ""),
    "no length of its own": (wav(riff=0), ""),
    "more than there is": (wav(size=10 * len(DATA)), "says 1.0 s, but it ends after 0.1 s"),
    "an RF64 of 2^37 bytes": (rf64(2**37), "but it ends after 0.1 s"),
    "a BW64": (rf64(len(DATA), b"BW64"), ""),
    "a chunk of an odd size": (wav(before=chunk(b"odd ", b"12345")), ""),
    "chunks behind": (wav(behind=LIST), ""),
    "rubbish behind": (wav(behind=b"abc"), ""),
}


@pytest.mark.parametrize("block", [64, 1000, 5000])
@pytest.mark.parametrize(("content", "warning"), WRONG.values(), ids=list(WRONG))
def test_a_header_that_says_something_else_is_not_believed(tmp_path, content, warning, block):
    audio, warnings = read(put(tmp_path / "x.wav", content), block)
    assert np.array_equal(audio, np.frombuffer(DATA, "<i2") / np.float32(32768))
    assert [warning in line for line in warnings] == ([True] if warning else [])


def test_an_empty_file_is_empty(tmp_path):
    for content in (wav(b""), wav(b"", behind=LIST), wav(b"", behind=LIST + LIST), wav(b"", behind=b"\0")):
        audio, warnings = read(put(tmp_path / "x.wav", content))
        assert len(audio) == 0 and not warnings


@pytest.mark.parametrize("frames", [0, 2**36 - 1, 6000, 5000])
@pytest.mark.parametrize("block", [64, 1000, 8192])
def test_a_flac_of_unknown_or_false_length_is_read_to_its_end(tmp_path, frames, block):
    path = put(tmp_path / "x.flac", flac(tmp_path, frames))
    audio, warnings = read(path, block)
    assert len(audio) == 5000 and np.abs(audio - X).max() < 2.0**-15
    assert bool(warnings) == (frames == 6000)
    with Reader(path) as reader:
        assert reader.frames == (frames if frames in (5000, 6000) else None)


@pytest.mark.parametrize("rate", [0, 1, 999, 768001, 2**31 - 1, 2**32 - 1])
def test_a_rate_that_no_recording_has_is_refused(tmp_path, rate):
    path = put(tmp_path / "x.wav", wav(rate=rate))
    with pytest.raises(AudioFileError, match=f"its header says {rate} Hz, expected 1000 to 768000"):
        Reader(path)
    with pytest.raises(AudioFileError, match=f"its header says {rate} Hz"):  # as a cabinet too
        rtfx.Rig([str(path)])(np.zeros(10), RATE)


@pytest.mark.parametrize("rate", RATES)
def test_every_rate_between_is_played_and_rendered(tmp_path, rate):
    path = put(tmp_path / "x.wav", wav(rate=rate))
    done = rtfx.Rig([{"type": "gain"}]).render(path, tmp_path / "y.wav")
    assert (done.sample_rate, done.frames_out) == (rate, 5000)
    with rtfx.Rig([{"type": "gain"}]).play(device="null", input=path, sample_rate=RATE, seconds=0.1) as stream:
        stream.wait()
    assert stream.stats.frames == 4800


@pytest.mark.parametrize(
    "content",
    [
        wav()[:30],
        wav()[:44],
        wav(channels=0),
        wav(before=chunk(b"big ", b"", 0x7FFFFFFF)),
        wav(before=chunk(b"big ", b"", 0xFFFFFFFF)),
        b"RIFF\xff\xff\xff\xffWAVE" + 20_000 * chunk(b"none", b""),
        b"RF64\xff\xff\xff\xffWAVEds64",
        b"fLaC" + os.urandom(5000),
    ],
)
def test_what_is_damaged_beyond_reading_is_one_line(tmp_path, content):
    path = put(tmp_path / "x.wav", content)
    if content == wav()[:44]:
        assert "ends after 0.0 s" in read(path)[1][0]
        return
    with pytest.raises(AudioFileError, match="x.wav: ") as caught:
        read(path)
    assert "\n" not in str(caught.value)


def test_a_file_that_shrinks_while_it_is_read_is_an_error(tmp_path):
    path = put(tmp_path / "x.wav", wav(data=100 * DATA))
    with Reader(path) as reader, pytest.raises(AudioFileError, match="ends after .* of 500000 frames"):
        for _ in reader.blocks(1000):
            os.truncate(path, 1000)


@pytest.mark.slow
def test_one_bad_file_does_not_cost_the_others(capsys, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    put(folder / "a.wav", wav())
    put(folder / "b.wav", wav(size=0))
    put(folder / "c.flac", flac(tmp_path, 0))
    put(folder / "d.wav", wav(rate=12))
    put(folder / "e.wav", wav()[:30])
    put(folder / "f.flac", flac(tmp_path, 2**36 - 1))
    put(folder / "g.flac", flac(tmp_path, 0)[:2000])
    (folder / "h.wav").symlink_to("/dev/zero")
    for jobs in (1, 2):
        out = tmp_path / f"out{jobs}"
        code, _, err = command(capsys, "render", folder, out, "--model", "klon.json", "--jobs", jobs)
        assert code == 1 and "3 of 7 files failed" in err and "Traceback" not in err
        made = sorted(path.name for path in out.iterdir() if path.suffix in (".wav", ".flac"))
        assert made == ["a.wav", "b.wav", "c.flac", "f.flac"]
        assert all(soundfile.info(out / name).frames == 5000 for name in made)
        assert "b.wav: its header says that it is empty" in err
        for name in ("d.wav: its header says 12 Hz", "e.wav: cannot be read", "g.flac: cannot be read"):
            assert name in err


def test_a_fault_that_nobody_has_foreseen_does_not_cost_the_others(capsys, tmp_path, monkeypatch):
    put(tmp_path / "a.wav", wav())
    put(tmp_path / "b.wav", wav())
    blocks = Reader.blocks

    def fail(reader, *arguments):
        if "a.wav" in reader.name:
            raise ZeroDivisionError("a bug")
        return blocks(reader, *arguments)

    monkeypatch.setattr(Reader, "blocks", fail)
    code, _, err = command(capsys, "render", tmp_path, tmp_path / "out", "--model", "klon.json", "--jobs", 1)
    assert code == 1 and "ZeroDivisionError: a bug" in err and (tmp_path / "out" / "b.wav").is_file()


@pytest.mark.parametrize("name", ["size0.wav", "flac_of_unknown_length.flac"])
def test_files_that_failed_play_and_render(capsys, tmp_path, name):
    if not SHARED.is_dir():
        content = flac(tmp_path, 0) if "flac" in name else wav(size=0)
        path = put(tmp_path / name, content)
    else:
        path = SHARED / name
    out = tmp_path / "out.wav"
    code, _, err = command(capsys, "render", path, out, "--model", "klon.json", "-y")
    assert code == 0 and soundfile.info(out).frames > 1000, err
    warned = "its header says" in err
    code, _, err = command(capsys, "play", "klon.json", "--input", path, "--device", "null", "--headless")
    assert code == 0 and ("its header says" in err) == warned == ("size0" in name), err


BEXT = b"A take".ljust(256, b"\0") + b"rtfx".ljust(64, b"\0") + b"2026-11-3012:30:00"
BEXT += struct.pack("<QH", 3_600 * RATE, 2) + bytes(64) + struct.pack("<5h", *range(5)) + bytes(180) + b"A=PCM\r\n"
TAGS = {"title": "Song", "artist": "Me", "comment": "loud", "date": "2026", "genre": "rock", "tracknumber": "7"}


def broadcast(tmp_path) -> Path:
    """Return a broadcast WAV with tags, a project's XML and a marker, some of them behind the samples."""
    names = {"title": b"INAM", "artist": b"IART", "comment": b"ICMT", "date": b"ICRD", "genre": b"IGNR"}
    names |= {"tracknumber": b"ITRK"}
    inside = b"".join(chunk(names[name], text.encode() + b"\0") for name, text in TAGS.items())
    cue = chunk(b"cue ", struct.pack("<III4sIII", 1, 1, 100, b"data", 0, 0, 100))
    before, behind = chunk(b"bext", BEXT) + cue, chunk(b"LIST", b"INFO" + inside) + chunk(b"iXML", b"<BWFXML/>")
    return put(tmp_path / "x.wav", wav(before=before, behind=behind))


def chunks_of(path) -> dict[bytes, bytes]:
    content, place, found = Path(path).read_bytes(), 12, {}
    while place < len(content):
        name, size = struct.unpack("<4sI", content[place : place + 8])
        found[name] = content[place + 8 : place + 8 + size]
        place += 8 + size + size % 2
    return found


@pytest.mark.parametrize("suffix", [".wav", ".rf64", ".flac", ".aiff", ".w64"])
@pytest.mark.parametrize("encoding", ["PCM_16", "FLOAT"])
def test_time_and_tags_of_a_recording_are_those_of_what_is_rendered(tmp_path, suffix, encoding):
    if (suffix, encoding) == (".flac", "FLOAT"):
        encoding = "PCM_24"
    target = tmp_path / f"y{suffix}"
    rtfx.Rig([{"type": "gain"}]).render(broadcast(tmp_path), target, encoding=encoding)
    with soundfile.SoundFile(target) as file:
        held = {name: getattr(file, name) for name in TAGS}
        assert file.frames == 5000 and np.abs(file.read() - X).max() < 2.0**-14
    if suffix in (".wav", ".rf64"):
        assert held == TAGS
        found = chunks_of(target) if suffix == ".wav" else {}
        if found:
            assert found[b"bext"][:412] == BEXT[:412] and found[b"bext"][422:].rstrip(b"\0") == BEXT[422:]
            assert found[b"bext"][412:422] == 5 * b"\xff\x7f", "the loudness of another sound"
            assert found[b"iXML"].strip() == b"<BWFXML/>" and struct.unpack("<I", found[b"cue "][8:12]) == (100,)
            assert len(found[b"data"]) == 5000 * (2 if encoding == "PCM_16" else 4)
    elif suffix != ".w64":  # which holds no tags
        assert held["title"] == "Song" and held["artist"] == "Me" and held["comment"] == "loud"


@pytest.mark.parametrize("suffix", [".flac", ".aiff", ".ogg"])
def test_tags_of_other_formats_are_those_of_the_wav(tmp_path, suffix):
    with soundfile.SoundFile(tmp_path / f"x{suffix}", "w", RATE, 1) as file:
        file.title, file.artist, file.comment = "Söng", "Me", "odd"
        file.write(X)
    rtfx.Rig([{"type": "gain"}]).render(tmp_path / f"x{suffix}", tmp_path / "y.wav")
    with soundfile.SoundFile(tmp_path / "y.wav") as file:
        assert (file.title, file.artist, file.comment) == ("Söng", "Me", "odd")
    rtfx.Rig([{"type": "gain"}]).render(tmp_path / "y.wav", tmp_path / f"z{suffix.replace('ogg', 'flac')}")


def test_tags_go_through_pipes(tmp_path):
    source = broadcast(tmp_path)
    done = process("render", "--model", "klon.json", source, "-")
    assert (
        done.returncode == 0 and b"bext" in done.stdout and soundfile.info(put(tmp_path / "p.wav", done.stdout)).frames
    )
    with soundfile.SoundFile(tmp_path / "p.wav") as file:
        assert file.title == "Song"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["-take.wav", "--model.wav", "a.yaml:b.wav", "[*].wav", "random:x.wav", "\udcff.wav"])
def test_a_recording_of_any_name_is_rendered_and_played(tmp_path, name):
    source = ("--", name) if name.startswith("-") else (name,)
    recorded = process("play", MODEL, "--device", "null", "--seconds", "0.2", "--record", name, cwd=tmp_path)
    assert recorded.returncode == 0 and os.path.exists(tmp_path / name), recorded.stderr
    rendered = process("render", "--model", MODEL, *source, "out.wav", cwd=tmp_path)
    assert rendered.returncode == 0, rendered.stderr
    played = process("play", MODEL, "--device", "null", "--seconds", "0.1", "--input", name, cwd=tmp_path)
    assert played.returncode == 0, played.stderr
    again = process("render", "--model", MODEL, "-y", *("--",) * name.startswith("-"), "out.wav", name, cwd=tmp_path)
    assert again.returncode == 0, again.stderr


MODEL = "klon.json"


def test_a_writer_keeps_nothing_of_tags_that_are_none(tmp_path):
    with Writer(tmp_path / "x.wav", RATE, 1) as writer:
        writer.write(X[:, None])
    assert set(chunks_of(tmp_path / "x.wav")) == {b"JUNK", b"fmt ", b"data"}


def test_what_does_not_fit_into_memory_is_one_line(tmp_path, monkeypatch):
    put(tmp_path / "x.wav", wav())

    def full(*arguments, **more):
        raise MemoryError

    monkeypatch.setattr(np, "concatenate", full)
    with pytest.raises(AudioFileError, match="not enough memory"):
        read_audio(tmp_path / "x.wav")


@pytest.mark.parametrize(("content", "warning"), WRONG.values(), ids=list(WRONG))
def test_a_pipe_is_read_as_a_file_is(tmp_path, content, warning):
    code = "import sys; from rtfx.audio import Reader; reader = Reader('-'); "
    code += "sys.stdout.buffer.write(b''.join(block.tobytes() for block in reader.blocks(777))); "
    code += "print(*reader.warnings, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], input=content, capture_output=True, timeout=60, env=ENVIRONMENT)
    assert np.array_equal(np.frombuffer(done.stdout, "<f4")[:5000], np.frombuffer(DATA, "<i2") / np.float32(32768))
    assert len(done.stdout) == 4 * 5000 or b"\xff\xff\xff\xff" in content, done.stderr
    assert (warning.encode() in done.stderr) if warning else not done.stderr.strip()


def test_tags_of_a_pipe_go_to_the_file(tmp_path):
    with open(broadcast(tmp_path), "rb") as source:
        done = process("render", "--model", "klon.json", "-", tmp_path / "y.wav", stdin=source)
    assert done.returncode == 0 and chunks_of(tmp_path / "y.wav")[b"bext"][:412] == BEXT[:412]


DAMAGED = {
    "a list": chunk(b"LIST", b"INFO" + b"INAM" + b"\xff" * 4 + b"x"),
    "a list without a kind": chunk(b"LIST", b""),
    "markers": chunk(b"cue ", struct.pack("<I", 2**31)),
    "no markers": chunk(b"cue ", b""),
    "a broadcast chunk": chunk(b"bext", b"short"),
    "tags that are no UTF-8": chunk(b"LIST", b"INFO" + chunk(b"INAM", b"S\xf6ng\0")),
    "an empty project": chunk(b"iXML", b""),
    "ID3 of one byte": chunk(b"id3 ", b"1"),
}


@pytest.mark.parametrize("suffix", [".wav", ".rf64", ".flac", ".aiff"])
@pytest.mark.parametrize("damage", DAMAGED.values(), ids=list(DAMAGED))
def test_damaged_tags_damage_no_other_file(tmp_path, damage, suffix):
    source, target = put(tmp_path / "x.wav", wav(behind=damage)), tmp_path / f"y{suffix}"
    rtfx.Rig([{"type": "gain"}]).render(source, target)
    assert soundfile.info(target).frames == 5000 and np.abs(soundfile.read(target)[0] - X).max() < 2.0**-14
