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
    whole : bool
        A whole number.
    """

    name: str
    default: float | str
    minimum: float = 0.0
    maximum: float = 1.0
    unit: str = ""
    kind: str = "continuous"
    choices: tuple[str, ...] = ()
    summary: str = ""
    whole: bool = False

    def check(self, value):
        """Return `value` as this parameter stores it, or raise UsageError naming what is allowed."""
        if self.choices:
            choice = str(value).lower() if isinstance(value, bool) else value
            if choice not in self.choices:
                raise UsageError(f"{self.name} is {value!r}, expected one of: {', '.join(self.choices)}")
            return choice
        try:
            number = float(value)
        except (TypeError, ValueError, OverflowError):
            number = float("nan")
        outside = not self.minimum <= number <= self.maximum
        if isinstance(value, bool) or outside or (self.whole and number != int(number)):
            unit = f" {self.unit}" if self.unit else ""
            kind = "a whole number" if self.whole else "a number"
            allowed = f"{kind} from {self.minimum:.10g} to {self.maximum:.10g}{unit}"
            raise UsageError(f"{self.name} is {value!r}, expected {allowed}")
        return int(number) if self.whole else number

    def norm(self, value: float) -> float:
        """Return the 0 to 1 form of `value`."""
        return (value - self.minimum) / (self.maximum - self.minimum)
