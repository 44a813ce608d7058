"""``rtfx pack`` writes one file, and ``rtfx play`` plays it."""

import json
import zipfile

from .command import rtfx

LIST = "version: 1\npresets:\n  - {name: one, chain: [amp.json]}\n  - {name: two, chain: [klon]}\n"


def test_a_packed_set_list_plays(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("RTFX_CACHE_DIR", str(tmp_path / "cache"))
    (tmp_path / "gig.yaml").write_text(LIST)
    out = tmp_path / "gig.rtfx"
    code, said, _ = rtfx(capsys, "pack", str(tmp_path / "gig.yaml"), str(out), "--json")
    about = json.loads(said)
    assert code == 0 and about["files"] == ["gig.yaml", "amp.json"] and about["bytes"] == out.stat().st_size
    assert zipfile.is_zipfile(out)
    code, said, told = rtfx(
        capsys, "play", f"{out}:two", "--device", "null", "--seconds", "0.2", "--headless", "--json"
    )
    assert code == 0 and json.loads(said)["preset"] == "two", told


def test_a_missing_set_list_is_told(capsys, tmp_path):
    code, _, told = rtfx(capsys, "pack", str(tmp_path / "none.yaml"), str(tmp_path / "x.rtfx"))
    assert code == 1 and "none.yaml" in told and not (tmp_path / "x.rtfx").exists()
