"""``rtfx check``: how a report is printed, and its exit code."""

import json
import sys
from pathlib import Path

import pytest

from rtfx.check import Finding, Measured, Report

from .command import rtfx

LOUD = Measured(1, "loud", 0.0123, 0.0456, -14.06, -1.04, 5.33, quiet=True)
BUSY = Measured(2, "clean", 0.01, 0.5, -20.0, -3.0, 5.33, quiet=False)
FINDINGS = [Finding("error", "load", "clean is late"), Finding("note", "rate", "48000 Hz it is")]


@pytest.fixture
def reported(monkeypatch):
    """Return a function that sets the report of the next check, and a list of what was asked."""
    asked = []

    def report(findings, presets=()):
        found = Report(Path("set.yaml"), 48000.0, 64, findings, list(presets), ("loud", "clean"), 0.25, verified=3)
        monkeypatch.setattr(sys.modules["rtfx.check"], "check", lambda *words: asked.append(words) or found)
        return asked

    return report


def test_a_table_of_presets_then_the_findings(reported, capsys):
    asked = reported(FINDINGS, [LOUD, BUSY])
    code, out, err = rtfx(capsys, "check", "set.yaml", "-b", 64, "--inputs", "knobs")
    assert code == 1 and "clean is late" in err.splitlines()[-1] and asked == [("set.yaml", 64, "knobs")]
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert "set.yaml with the guitars at 48000 Hz, blocks of 64 frames" in lines
    assert "1 loud 1.2 % 4.6 % -14.1 LUFS -1.0 dBFS 5.3 ms" in lines
    assert "2 clean 1.0 % (50.0 %) -20.0 LUFS -3.0 dBFS 5.3 ms" in lines, "not judged, so in brackets"
    assert any("was busy with other work" in line for line in lines)
    assert "costliest change: between loud and clean, 25.0 % of a block's time" in lines
    assert "models exact on this processor: 3" in lines
    assert lines[-2:] == ["error: clean is late", "note: 48000 Hz it is"]


def test_a_set_list_without_errors_can_be_played(reported, capsys):
    reported(FINDINGS[1:], [LOUD])
    code, out, err = rtfx(capsys, "check", "set.yaml")
    assert code == 0 and "can be played" in err and "busy" not in out


def test_json_has_findings_then_presets_then_a_summary(reported, capsys):
    reported(FINDINGS, [LOUD, BUSY])
    code, out, _ = rtfx(capsys, "check", "set.yaml", "--json")
    found = [json.loads(line) for line in out.splitlines()]
    assert code == 1 and [each["topic"] for each in found] == ["load", "rate", "measured", "measured", "summary"]
    assert found[2]["loudness_lufs"] == -14.06 and found[3]["quiet"] is False
    counts = {"errors": 1, "warnings": 0, "notes": 1}
    assert found[-1].items() >= {"ok": False, "block_frames": 64, "models_verified": 3, **counts}.items()
