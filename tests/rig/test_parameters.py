"""Values as they are given: switches, notes and numbers."""

import pytest

from rtfx.errors import UsageError
from rtfx.rig.parameters import Parameter, beats_of

TIME = Parameter("time", 400.0, 1.0, 2000.0, "ms", note=True)
RATE = Parameter("rate", 1.0, 0.1, 10.0, "Hz", note=True)


@pytest.mark.parametrize(
    ("note", "beats"), [("1/4", 1.0), ("1/8.", 0.75), ("1/8d", 0.75), ("1/4t", 2.0 / 3.0), ("3/16", 0.75), ("1/1", 4.0)]
)
def test_notes_have_their_length(note, beats):
    assert beats_of(note) == pytest.approx(beats)
    assert TIME.number(TIME.check(f" {note} "), 120.0) == pytest.approx(min(500.0 * beats, 2000.0))
    assert RATE.number(RATE.check(note), 90.0) == pytest.approx(1.5 / beats)


def test_numbers_stay_numbers():
    assert TIME.check(350) == 350.0 and TIME.number(350.0, 60.0) == 350.0


@pytest.mark.parametrize("wrong", ["1/0", "0/4", "1/8x", "quarter", "", True])
def test_what_is_no_note_is_told(wrong):
    with pytest.raises(UsageError):
        TIME.check(wrong)
    with pytest.raises(UsageError, match="or a note such as 1/8"):
        TIME.check("soon")
    with pytest.raises(UsageError):
        Parameter("time_ms", 1.0, 0.0, 10.0).check("1/8")
