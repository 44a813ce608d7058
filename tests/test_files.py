"""Files are written whole or not at all; links, permissions and special files are left as they are."""

import ast
import contextlib
import os
import resource
import socket
import stat
from pathlib import Path

import numpy as np
import pytest
import soundfile

import rtfx
from rtfx.audio import Reader
from rtfx.batch.job import Ledger
from rtfx.effects.table import BLOCKS
from rtfx.errors import AudioFileError, ModelError, PresetError, RtfxError
from rtfx.files import free_name, oddity, part_of, replacement, sweep, target_of, write_file
from rtfx.host import choose
from rtfx.host.wave import Writer
from rtfx.model.load import load
from rtfx.model.write.save import save
from rtfx.rig.edit import replace_set_list
from rtfx.train import run
from rtfx.train.fit import Checkpoint

PACKAGE = Path(__file__).parents[1] / "rtfx"
SET_LIST = "version: 1\npresets:\n  - {name: a, chain: [{type: gain}]}\n"


def write_audio(path) -> None:
    with Writer(path, 48000, 1, overwrite=True) as writer:
        writer.write(np.zeros((100, 1), np.float32))


def write_set_list(path) -> None:
    replace_set_list(Path(path), SET_LIST, BLOCKS, lambda after: True, "by hand")


def remember_channel(path) -> None:
    assert choose.remember_channel("card", 2)


# what writes a file, and the file's name
WRITERS = {
    "a file": (lambda path: write_file(path, "new"), "x.txt"),
    "audio": (write_audio, "x.wav"),
    "FLAC": (write_audio, "x.flac"),
    "a set list": (write_set_list, "x.yaml"),
    "rtfx JSON": (lambda path: save(load("klon.json"), path), "x.json"),
    "AIDA-X": (lambda path: save(load("random:gru?seed=1"), path, "aidax"), "x.aidax"),
    "a converted model": (lambda path: rtfx.load("klon.json").save(path), "x.json"),
    "a training": (lambda path: run.save_checkpoint(Path(path), Checkpoint({}, {}, []), {}), "x.rtfx-train"),
    "a channel": (remember_channel, "devices.json"),
    "a ledger": (lambda path: Ledger(Path(path).parent, "")._write(), ".rtfx-render.json"),
}
writers = pytest.mark.parametrize(("write", "name"), WRITERS.values(), ids=list(WRITERS))


@pytest.fixture(autouse=True)
def own_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(choose, "memory_file", lambda: tmp_path / "devices.json")


@contextlib.contextmanager
def full_disk():
    """No file grows, as on a full disk; not longer than the block, or pytest could not write its own log."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@writers
def test_a_link_stays_a_link_and_the_file_behind_it_keeps_its_permissions(tmp_path, write, name):
    (tmp_path / "there").mkdir()
    behind = tmp_path / "there" / name
    behind.write_bytes(b"old")
    behind.chmod(0o640)
    (tmp_path / name).symlink_to(behind)
    write(tmp_path / name)
    assert (tmp_path / name).is_symlink() and os.readlink(tmp_path / name) == str(behind)
    assert behind.read_bytes() != b"old"
    assert stat.S_IMODE(behind.stat().st_mode) == 0o640
    assert sorted(p.name for p in tmp_path.rglob("*")) == sorted([name, "there", name])


@writers
def test_a_link_to_nothing_leads_to_a_new_file(tmp_path, write, name):
    (tmp_path / "there").mkdir()
    (tmp_path / name).symlink_to(Path("there") / name)
    write(tmp_path / name)
    assert (tmp_path / name).is_symlink() and (tmp_path / "there" / name).stat().st_size


@writers
def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path, write, name):
    path = tmp_path / name
    path.write_bytes(b"old")
    with full_disk(), pytest.raises((OSError, RtfxError, AssertionError)):
        write(path)
        assert name != ".rtfx-render.json"  # a ledger that cannot be written costs a run its past, nothing else
        raise AssertionError
    assert os.listdir(tmp_path) == [name] and path.read_bytes() == b"old"


@pytest.mark.parametrize("kind", ["a named pipe", "a device", "a socket", "a folder"])
@writers
def test_what_is_no_ordinary_file_is_refused_and_stays(tmp_path, write, name, kind):
    path = tmp_path / name
    odd = {"a device": Path("/dev/null")}.get(kind, path)
    if kind == "a named pipe":
        os.mkfifo(path)
    elif kind == "a socket":
        with socket.socket(socket.AF_UNIX) as server, inside(tmp_path):
            server.bind(name)
    elif kind == "a folder":
        path.mkdir()
    else:
        path.symlink_to(odd)
    assert oddity(path) == kind
    with pytest.raises((OSError, RtfxError, AssertionError)):
        write(path)
        assert name != ".rtfx-render.json"
        raise AssertionError
    assert oddity(odd) == kind and os.listdir(tmp_path) == [name]


class inside:
    """A folder that is the working one meanwhile: the path of a socket may have 100 bytes."""

    def __init__(self, folder):
        self.folder, self.before = folder, os.getcwd()

    def __enter__(self):
        os.chdir(self.folder)

    def __exit__(self, *exception):
        os.chdir(self.before)


@pytest.mark.parametrize("kind", ["a named pipe", "a device", "a folder"])
def test_no_audio_is_read_of_what_is_no_ordinary_file(tmp_path, kind):
    path = tmp_path / "x.wav"
    if kind == "a named pipe":
        os.mkfifo(path)
    elif kind == "a folder":
        path.mkdir()
    else:
        path.symlink_to("/dev/zero")
    with pytest.raises(AudioFileError, match=f"x.wav is {kind}"):
        Reader(path)  # a pipe would be waited for without an end
    with pytest.raises(AudioFileError, match=f"x.wav is {kind}"):
        rtfx.Rig([{"type": "cab", "file": str(path)}])(np.zeros(10), 48000)


def test_an_error_in_the_block_keeps_the_old_file(tmp_path):
    write_file(tmp_path / "x", "old")
    with pytest.raises(RuntimeError), replacement(tmp_path / "x") as part:
        part.write_text("half")
        raise RuntimeError
    assert os.listdir(tmp_path) == ["x"] and (tmp_path / "x").read_text() == "old"


@pytest.mark.parametrize("name", ["x" * 251 + ".wav", "ü" * 125 + ".wav", "-x.wav", " .wav", "a\nb.wav", "[*?].wav"])
def test_every_name_that_the_disk_takes_is_written_and_read(tmp_path, name):
    path = tmp_path / name
    write_audio(path)
    write_audio(path)
    assert os.listdir(tmp_path) == [name] and soundfile.info(os.fsencode(path)).frames == 100
    other = free_name(path, "-part", 2)
    write_audio(other)
    assert other.suffix == ".wav" and free_name(path, "-part", 2) != other


def test_what_is_swept_away_is_of_processes_that_are_no_more(tmp_path):
    for target in (tmp_path / "x.wav", tmp_path / ("x" * 251 + ".wav"), tmp_path / "[1].wav"):
        own = part_of(target)
        dead = own.with_name(own.name.replace(f".{os.getpid()}-", f".{2**22 + 1}-"))  # beyond Linux' highest number
        own.touch(), dead.touch()
        sweep(target)
        assert list(tmp_path.iterdir()) == [own]
        own.unlink()


def test_a_free_name_is_free_of_broken_links_too(tmp_path):
    (tmp_path / "x-2.wav").symlink_to("nowhere")
    assert free_name(tmp_path / "x.wav") == tmp_path / "x-3.wav"


def test_only_the_module_files_renames_files():
    """Only the module `files` replaces files; `remote/socket` renames a socket, which `files` refuses."""
    own = {PACKAGE / "files.py", PACKAGE / "remote/socket.py"}
    for path in set(PACKAGE.rglob("*.py")) - own:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                assert (node.value.id, node.attr) not in {("os", "replace"), ("os", "rename")}, f"{path}:{node.lineno}"


def test_errors_say_what_is_in_the_way(tmp_path):
    (tmp_path / "x.json").mkdir()
    with pytest.raises(ModelError, match="a folder, no ordinary file"):
        save(load("klon.json"), tmp_path / "x.json")
    (tmp_path / "x.yaml").mkdir()
    with pytest.raises(PresetError, match="a folder, no ordinary file"):
        write_set_list(tmp_path / "x.yaml")
    with pytest.raises(OSError, match="a folder"):
        target_of(tmp_path)
