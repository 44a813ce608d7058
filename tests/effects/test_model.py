"""The gains around a model: in decibels, and the gain that `link` removes after it."""

import pytest

from rtfx.effects.model import MODEL, cells
from rtfx.rig.random_block import LINK, ON


def test_gains_are_linear_and_independent():
    assert cells({"input_db": 0.0, "level_db": 0.0}, 48000.0) == [1.0, 1.0]
    before, after = cells({"input_db": 20.0, "level_db": -40.0}, 48000.0)
    assert before == pytest.approx(10.0) and after == pytest.approx(0.01)


@pytest.mark.parametrize("drive", [-12.0, 0.0, 30.0])
def test_linked_gains_cancel_each_other(drive):
    before, after = cells({"input_db": drive, "level_db": -6.0, LINK: ON}, 48000.0)
    assert before * after == pytest.approx(10.0 ** (-6.0 / 20.0))
    assert cells({"input_db": drive, "level_db": -6.0, LINK: "off"}, 48000.0)[0] == before


def test_a_model_takes_a_models_file_and_its_defaults_change_nothing():
    assert MODEL.file == "model"
    assert cells({parameter.name: parameter.default for parameter in MODEL.parameters}, 48000.0) == [1.0, 1.0]
