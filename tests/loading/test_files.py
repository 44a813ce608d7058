"""Which file a block plays, and its digest, which depends on the content but not on the name."""

import hashlib

import pytest

from rtfx.errors import RtfxError
from rtfx.loading.files import digest, identity, path_of
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
