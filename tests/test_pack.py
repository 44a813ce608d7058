"""A set list in one file: the same sound elsewhere, and no archive leaves its folder."""

import json
import shutil
import zipfile

import numpy as np
import pytest

import rtfx
from rtfx.errors import PresetError
from rtfx.find import shipped
from rtfx.pack import CONTENTS, pack, unpack

LIST = """version: 1
presets:
  - name: one
    chain: [{type: model, file: mine}, {type: cab, file: cabs/box.wav}]
  - name: two
    chain: [{use: extra.yaml}, {type: cab, file: open-2x12.wav}]
"""
NOISE = np.random.default_rng(1).uniform(-0.2, 0.2, 3000).astype(np.float32)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("RTFX_CACHE_DIR", str(tmp_path / "cache"))


@pytest.fixture
def gig(tmp_path):
    """A set list with a model and a response of its own, a container in a file, and a shipped response."""
    folder = tmp_path / "gig"
    (folder / "cabs").mkdir(parents=True)
    shutil.copy(shipped() / "models" / "amp.json", folder / "mine.json")
    shutil.copy(shipped() / "models" / "closed-4x12.wav", folder / "cabs" / "box.wav")
    (folder / "extra.yaml").write_text("chain: [{type: gain, gain_db: -3}]\n")
    (folder / "gig.yaml").write_text(LIST)
    return folder / "gig.yaml"


def test_it_sounds_the_same_elsewhere(gig, tmp_path):
    expected = {name: rtfx.Rig.from_yaml(gig, name)(NOISE, 48000) for name in ("one", "two")}
    names = pack(gig, tmp_path / "gig.rtfx")
    assert sorted(names) == ["cabs/box.wav", "extra.yaml", "gig.yaml", "mine.json", "open-2x12.wav"]
    shutil.rmtree(gig.parent)
    there = unpack(tmp_path / "gig.rtfx")
    for name, wanted in expected.items():
        assert np.array_equal(rtfx.Rig.from_yaml(there, name)(NOISE, 48000), wanted)
    assert there.read_text() == LIST and unpack(tmp_path / "gig.rtfx") == there


def test_a_file_outside_the_folder_is_named(gig, tmp_path):
    shutil.copy(shipped() / "models" / "amp.json", tmp_path / "outside.json")
    gig.write_text(LIST.replace("file: mine", "file: ../outside.json"))
    with pytest.raises(PresetError, match="outside.json, which is outside its folder: move the file"):
        pack(gig, tmp_path / "gig.rtfx")
    assert not (tmp_path / "gig.rtfx").exists()


def rewritten(source, target, change):
    """Copy an archive; `change` gets its list of files and their contents."""
    with zipfile.ZipFile(source) as old:
        contents = {name: old.read(name) for name in old.namelist()}
    about = json.loads(contents.pop(CONTENTS))
    change(about, contents)
    with zipfile.ZipFile(target, "w") as new:
        for name, content in contents.items():
            new.writestr(name, content)
        new.writestr(CONTENTS, json.dumps(about))
    return target


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda about, contents: contents.update({"mine.json": b"{}"}), "mine.json is damaged"),
        (lambda about, contents: contents.pop("mine.json"), "cannot be unpacked"),
        (lambda about, contents: about["files"].update({"../evil": "0"}), "outside its folder"),
        (lambda about, contents: about["files"].update({"/etc/evil": "0"}), "outside its folder"),
        (lambda about, contents: about.update(version=9), "is no archive of this version"),
        (lambda about, contents: about.update(set_list="other.yaml"), "is no archive"),
        (
            lambda about, contents: about.update(files={str(n): "0" for n in range(5000)} | {"gig.yaml": "0"}),
            "too much",
        ),
    ],
)
def test_a_strangers_archive_does_no_harm(gig, tmp_path, change, said):
    pack(gig, tmp_path / "gig.rtfx")
    with pytest.raises(PresetError, match=said):
        unpack(rewritten(tmp_path / "gig.rtfx", tmp_path / "bad.rtfx", change))
    assert not (tmp_path / "evil").exists() and not list((tmp_path / "cache").rglob(CONTENTS))


def test_what_is_no_archive_is_told(tmp_path):
    path = tmp_path / "x.rtfx"
    path.write_bytes(b"PK not really")
    with pytest.raises(PresetError, match="x.rtfx: cannot be unpacked .*expected a file of rtfx pack"):
        unpack(path)
