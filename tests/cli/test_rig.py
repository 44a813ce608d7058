"""The options that commands share: numbers that are numbers, and parameters as values by address."""

import click
import pytest

from rtfx.cli.rig import Number, parameter_values
from rtfx.errors import UsageError
from rtfx.rig_arguments import RigFlags


def values(*parameters: str) -> dict:
    """Return the values of ``-p`` flags."""
    return parameter_values(RigFlags(**dict.fromkeys(RigFlags.__dataclass_fields__) | {"parameters": parameters}))


def test_parameters_are_numbers_or_words():
    assert values("gain=0.7", " amp.mode = neural ", "x=-1e-3") == {"gain": 0.7, "amp.mode": "neural", "x": -0.001}
    assert values() == {}
    assert values("gain=1", "gain=2") == {"gain": 2.0}


@pytest.mark.parametrize("text", ["gain", "gain=", "=0.7", " =1", "gain= ", ""])
def test_half_a_parameter_is_refused(text):
    with pytest.raises(UsageError, match="expected NAME=VALUE"):
        values(text)


def test_a_number_is_finite_and_within_its_range():
    number = Number(-120, 120)
    assert number.convert("-6.5", None, None) == -6.5
    for text in ("nan", "inf", "121", "loud"):
        with pytest.raises(click.BadParameter):
            number.convert(text, None, None)
    with pytest.raises(click.BadParameter, match="not a finite number"):
        Number().convert("inf", None, None)
