"""``rtfx analyze``: table, JSON and pictures of models and set lists."""

import json

from rtfx.cli.main import run


def test_json_and_a_page_of_two(tmp_path, capsys):
    rig = tmp_path / "two.yaml"
    rig.write_text("version: 1\npresets: [{name: a, chain: [gain]}, {name: b, chain: [{type: gain, gain_db: 6}]}]\n")
    out = tmp_path / "both.html"
    assert run(["analyze", str(rig), f"{rig}:b", "--json", "--out", str(out)]) == 0
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [round(one["levels"]["output_dbfs"][-1], 1) for one in found] == [0.0, 6.0]
    assert out.read_text().count("<svg") == 6


def test_a_table_and_mistakes(capsys, tmp_path):
    assert run(["analyze", "klon.json", "--bare"]) == 0
    assert "worst aliasing" in capsys.readouterr().out
    assert run(["analyze"]) == 2
    assert run(["analyze", "klon.json", "--out", str(tmp_path / "a.gif")]) == 2
    assert "expected .html or .png" in capsys.readouterr().err
    assert run(["analyze", "nothing.json"]) == 1
