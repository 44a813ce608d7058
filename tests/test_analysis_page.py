"""The pictures of `rtfx analyze`: complete, on common axes, and with names that are text."""

import builtins
import math
import xml.etree.ElementTree as xml

import numpy as np
import pytest

from rtfx.analysis_page import COLOURS, drawings, limits, page, svg, ticks, write_page
from rtfx.analyze import measure
from rtfx.errors import UsageError


@pytest.fixture(scope="module")
def found():
    return [measure(np.tanh, 48000.0, "soft <b>"), measure(lambda x: np.clip(3.0 * x, -0.5, 0.5), 48000.0, "hard")]


def test_every_drawing_has_a_curve_of_each_and_is_well_formed(found):
    every = drawings(found)
    assert len(every) == 6
    for drawing in every:
        assert {curve.owner for curve in drawing.curves} == {0, 1}
        root = xml.fromstring(svg(drawing))
        lines = [node for node in root.iter() if node.tag == "polyline"]
        assert {node.get("stroke") for node in lines} == set(COLOURS[:2])
        width, height = map(float, root.get("viewBox").split()[2:])
        for line in lines:
            points = np.array([point.split(",") for point in line.get("points").split()], float)
            assert np.isfinite(points).all() and (points >= 0.0).all() and (points <= [width, height]).all()


def test_curves_of_all_lie_on_the_same_axes(found):
    alone, both = drawings(found[:1])[1], drawings(found)[1]
    assert limits(both)[1][1] >= limits(alone)[1][1]
    shown = [y for curve in both.curves for y in curve.y if y >= both.low]
    assert limits(both)[1][0] <= min(shown) and max(shown) <= limits(both)[1][1]


@pytest.mark.parametrize(("low", "high"), [(-1.0, 1.0), (-126.0, 6.0), (0.0, 0.21), (20.0, 21.0), (-3e-5, 1e-5)])
def test_ticks_are_round_and_inside(low, high):
    found = ticks(low, high)
    assert 4 <= len(found) <= 11 and low - 1e-9 <= found[0] and found[-1] <= high + 1e-9
    step = found[1] - found[0]
    assert round(step / 10.0 ** math.floor(math.log10(step) + 1e-9), 6) in (1.0, 2.5, 5.0, 2.0)


def test_the_page_tells_the_numbers_and_escapes_names(found):
    text = page(found)
    assert text.count("<svg") == 6 and "soft &lt;b&gt;" in text and "<b>" not in text
    assert "worst aliasing" in text and "http" not in text  # nothing is loaded from elsewhere


def test_pictures_are_written(found, tmp_path):
    write_page(tmp_path / "a.html", found)
    assert (tmp_path / "a.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    write_page(tmp_path / "a.png", found)
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


def test_a_png_without_matplotlib_and_other_suffixes_are_one_line(found, tmp_path, monkeypatch):
    real = builtins.__import__

    def without(name, *rest):
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(UsageError, match="needs matplotlib: pip install matplotlib, or name a page, .html"):
        write_page(tmp_path / "a.png", found)
    with pytest.raises(UsageError, match=r"expected .html or .png"):
        write_page(tmp_path / "a.gif", found)
