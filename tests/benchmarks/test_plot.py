"""The plot: refused before anything is measured, or drawn with a curve for each candidate."""

import importlib.util

import pytest

from benchmarks import plot
from benchmarks.layers import LayerRow
from benchmarks.models import Other
from rtfx.errors import UsageError


def row(block: int, ns: float, other: float | None) -> LayerRow:
    return LayerRow("dense", 8, block, ns, 0.0, 0.0, -130.0, "", {"torch": Other(other)})


def test_refused_at_once(tmp_path, monkeypatch):
    with pytest.raises(UsageError, match="expected a name that ends in .png"):
        plot.check_target("times.txt")
    with pytest.raises(UsageError, match="no such folder"):
        plot.check_target(str(tmp_path / "absent" / "times.png"))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"pip install matplotlib"):
        plot.check_target(str(tmp_path / "times.png"))


def test_curves():
    """Each candidate with times has a curve, with its blocks in order."""
    rows = [row(64, 2.0, 50.0), row(1, 8.0, 900.0), row(256, 1.5, None)]
    assert plot.curves(rows) == {
        "dense 8": {"rtfx": [(1, 8.0), (64, 2.0), (256, 1.5)], "torch": [(1, 900.0), (64, 50.0)]}
    }


if importlib.util.find_spec("matplotlib"):  # no part of a test's installation

    @pytest.mark.filterwarnings("ignore")
    def test_drawn(tmp_path):
        target = tmp_path / "times.png"
        plot.draw([row(1, 8.0, 900.0), row(64, 2.0, 50.0)], target)
        assert target.read_bytes().startswith(b"\x89PNG")
