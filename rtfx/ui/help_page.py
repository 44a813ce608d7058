"""The help page: every key of the table, in two columns."""

from __future__ import annotations

from rich.text import Text

from .keys import KEYS

LABEL, SUMMARY = 10, 26
FOOT = "? back to the meters   q quit"


def help_lines(width: int = 80, height: int = 24) -> list[Text]:
    """Return at most `height` lines, each shorter than `width`."""
    column = LABEL + SUMMARY + 2
    columns = max(min(width // column, 3), 1)
    rows = -(-len(KEYS) // columns)
    result = [Text("Keys", "bold cyan"), Text()]
    for row in range(rows):
        line = Text()
        for keys in KEYS[row::rows]:
            line.append(f" {keys.label:<{LABEL}}", "bold")
            line.append(f"{keys.summary:<{SUMMARY + 1}}")
        result.append(line)
    result = [*result[: height - 1], Text(FOOT, "dim")]
    for line in result:
        line.truncate(width - 1)
    return result
