"""What the commands print: status to standard error, data to standard output, JSON that every parser takes."""

from __future__ import annotations

import math
import os
import sys
from typing import Any

import click


def status(text: str) -> None:
    """Print one line for the person at the terminal; if nobody is there any more, that is no error."""
    try:
        print(f"rtfx: {text}", file=sys.stderr, flush=True)  # click's echo would write into a bar that is being drawn
    except OSError:  # the window was closed
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())  # what is left in the buffer goes nowhere


def json_line(data: Any) -> None:
    """Print one object as a line of JSON on standard output."""
    import json

    click.echo(json.dumps(finite(data), allow_nan=False, ensure_ascii=False))
    sys.stdout.flush()


def finite(data: Any) -> Any:
    """Return `data` as plain Python with numbers that are not finite as None: JSON has none."""
    if isinstance(data, dict):
        return {str(key): finite(value) for key, value in data.items()}
    if isinstance(data, (list, tuple)):
        return [finite(value) for value in data]
    if data is None or isinstance(data, (bool, int, str)):
        return data
    if hasattr(data, "tolist"):  # NumPy, without importing it
        return finite(data.tolist())
    if isinstance(data, float):
        return data if math.isfinite(data) else None
    return str(data)
