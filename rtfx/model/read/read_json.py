"""Reads a JSON file that lies beside a model's own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ...errors import NotAModelFile, ResourceLimit, reason_of
from ...files import read_file
from ..limits import FILE_BYTES, at_most, shallow


def read_json(path: Path) -> Any:
    """Return what is in a file of at most `limits.FILE_BYTES`."""
    try:
        at_most(path.stat().st_size, FILE_BYTES, f"bytes in {path.name}")
        return shallow(json.loads(read_file(path)), path.name)
    except RecursionError as error:
        raise ResourceLimit(f"{path.name} is nested too deeply, expected a few levels") from error
    except (OSError, ValueError) as error:
        raise NotAModelFile(f"{path.name} cannot be read ({reason_of(error)[:100]}): write it again") from error
