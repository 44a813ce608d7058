"""A quick run takes a sample of a long list of cases; the whole suite takes all of them."""

from collections.abc import Iterable

import pytest


def sampled(cases: Iterable, every: int) -> list:
    """Return all cases for `pytest.mark.parametrize`; but for each `every`-th, from the first on, they are slow."""
    return [
        case if number % every == 0 else pytest.param(*_values(case), marks=pytest.mark.slow)
        for number, case in enumerate(cases)
    ]


def _values(case) -> tuple:
    return case if isinstance(case, tuple) else (case,)
