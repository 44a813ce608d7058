"""What a file was when it was read: its digest, and whether the same can be read again."""

import hashlib

import pytest

from rtfx.errors import RtfxError
from rtfx.loading.files import ReadFile, digest, identity, path_of
from rtfx.rig.blocks import BlockSpec
from tests.engine.rigs import gru


def test_a_digest_is_of_the_content(tmp_path):
    one, other = tmp_path / "one", tmp_path / "other"
    for path in (one, other):
        path.write_bytes(b"weights")
    assert digest(str(one)) == digest(str(other)) == hashlib.sha256(b"weights").hexdigest()
    other.write_bytes(b"weightz")
    assert digest(str(one)) != digest(str(other))
    assert digest(str(tmp_path / "none")) == ""


def test_a_folder_is_all_its_files(tmp_path):
    (tmp_path / "within").mkdir()
    (tmp_path / "config.json").write_text("{}")
    before = digest(str(tmp_path))
    (tmp_path / "within" / "weights").write_bytes(b"1")
    assert len({before, digest(str(tmp_path)), ""}) == 3


def test_what_can_be_read_again(tmp_path):
    file = tmp_path / "amp.json"
    file.write_text("{}")
    was = ReadFile(str(file), digest(str(file)))
    assert was.kept
    file.write_text("[]")
    assert not was.kept
    file.unlink()
    assert not was.kept
    assert ReadFile("random:tcn?seed=1", "").kept, "its words are all there is"
    assert not ReadFile("", "").kept, "a model in memory is nowhere else"


def test_whose_file_a_block_has(tmp_path):
    file = tmp_path / "amp.json"
    file.write_text("{}")
    name, found = identity(BlockSpec("model", "amp", file=file))
    assert name == str(file.resolve()) and found == digest(name)
    assert identity(BlockSpec("model", "amp", file="random:tcn?seed=1")) == ("random:tcn?seed=1", "")
    assert identity(BlockSpec("model", "amp", file=gru())) == ("", "")
    assert path_of(BlockSpec("gain", "boost")) is None
    with pytest.raises(RtfxError, match=r"nowhere\.wav"):
        identity(BlockSpec("cab", "cab", file="nowhere.wav"))
