"""Parameters: names, ranges and units of everything that can be turned."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import UsageError


@dataclass(frozen=True)
class Parameter:
    """One control of a block, in native units.

    Parameters
    ----------
    kind : str
        "continuous" (glides), "stepped" (one of `choices`) or "structural" (a change needs a new plan).
    """

    name: str
    default: float | str
    minimum: float = 0.0
    maximum: float = 1.0
    unit: str = ""
    kind: str = "continuous"
    choices: tuple[str, ...] = ()
    summary: str = ""

    def check(self, value):
        """Return `value` as this parameter stores it, or raise UsageError naming what is allowed."""
        if self.choices:
            if value not in self.choices:
                raise UsageError(f"{self.name} is {value!r}, expected one of: {', '.join(self.choices)}")
            return value
        try:
            number = float(value)
        except (TypeError, ValueError, OverflowError):
            number = float("nan")
        if isinstance(value, bool) or not self.minimum <= number <= self.maximum:
            unit = f" {self.unit}" if self.unit else ""
            allowed = f"a number from {self.minimum:g} to {self.maximum:g}{unit}"
            raise UsageError(f"{self.name} is {value!r}, expected {allowed}")
        return number

    def norm(self, value: float) -> float:
        """Return the 0 to 1 form of `value`."""
        return (value - self.minimum) / (self.maximum - self.minimum)
