"""The options that commands share: finite numbers, parameters as values by address, one rule for the level."""

import click
import pytest

from rtfx.cli.options import rig_options, wanted_latency
from rtfx.errors import UsageError


@click.command()
@rig_options
def command(flags):
    return flags


def flags(*words: str):
    """Return the flags that a command gets for these arguments."""
    return command.main(list(words), standalone_mode=False)


def test_parameters_are_numbers_or_words():
    found = dict(flags("-p", "gain=0.7", "-p", " amp.mode = neural ", "-p", "x=-1e-3", "-p", "x=2").values)
    assert found == {"gain": 0.7, "amp.mode": "neural", "x": 2.0}
    assert flags().values == ()


@pytest.mark.parametrize("text", ["gain", "gain=", "=0.7", " =1", "gain= ", ""])
def test_half_a_parameter_is_refused(text):
    with pytest.raises(UsageError, match="expected NAME=VALUE"):
        flags("-p", text)


@pytest.mark.parametrize("text", ["nan", "inf", "121", "loud"])
def test_a_number_is_finite_and_within_its_range(text):
    assert flags("--in-gain", "-6.5").in_gain == -6.5
    with pytest.raises(click.BadParameter):
        flags("--in-gain", text)


def test_one_level():
    assert flags("--no-normalise").options.level == "none" == flags("--level", "none", "--no-normalise").options.level
    assert flags("--level", "plugin").options.level == "plugin"
    with pytest.raises(UsageError, match="expected one of them"):
        flags("--level", "plugin", "--no-normalise")


@pytest.mark.parametrize(("text", "expected"), [(None, None), ("low", "low"), ("high", "high"), ("0.01", 0.01)])
def test_latency(text, expected):
    assert wanted_latency(None, None, text) == expected


@pytest.mark.parametrize("text", ["0", "-1", "99", "nan", "soon"])
def test_bad_latency(text):
    with pytest.raises(UsageError, match="expected low, high or seconds"):
        wanted_latency(None, None, text)
