"""Decibels and linear gains."""

import math

LOG2E = math.log2(math.e)
SILENCE_DB = -150.0  # below the noise floor of 24-bit audio: printed instead of minus infinity


def gain_from_db(db: float) -> float:
    """Return the linear gain of `db` decibels."""
    return math.pow(10.0, db / 20.0)


def db_from_gain(gain: float) -> float:
    """Return 20 log10 of a linear gain, at least `SILENCE_DB`."""
    return max(20.0 * math.log10(gain), SILENCE_DB) if gain > 0.0 else SILENCE_DB
