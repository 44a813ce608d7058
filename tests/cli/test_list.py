"""What can be named without a path is listed, by kind and by words."""

import json
import shutil

from rtfx.cli.list import listed
from rtfx.find import shipped

from .command import rtfx


def test_everything_shipped_is_listed(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, _ = rtfx(capsys, "list", "--json")
    found = {(one["kind"], one["name"]) for one in map(json.loads, out.splitlines())}
    assert code == 0 and {("models", "klon"), ("irs", "open-2x12"), ("presets", "gig")} <= found
    assert ("irs", "riff") not in found


def test_a_kind_and_words_narrow_it(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, _ = rtfx(capsys, "list", "irs", "2X12")
    assert code == 0 and len(out.splitlines()) == 1 and "open-2x12" in out
    code, _, told = rtfx(capsys, "list", "models", "nothing-like-it")
    assert code == 2 and "nothing is called 'nothing-like-it'" in told


def test_a_file_here_goes_before_one_that_is_shipped(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copy(shipped() / "models" / "klon.json", "klon.json")
    (place,) = [place for place, path in listed("models") if path.name == "klon.json"]
    assert place == "here"
