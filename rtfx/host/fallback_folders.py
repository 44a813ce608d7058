"""Where a recording may go if not where it was meant to."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ..find import user_folder


def places(wanted: Path, need_bytes: float) -> Iterator[Path]:
    """Yield folders that seem to be writable and to have room: `wanted`, the working one, the user's, the temporary.

    Whether a file can be made there is known only once it is made.
    """
    for folder in dict.fromkeys((wanted, Path.cwd(), user_folder() / "takes", Path(tempfile.gettempdir()))):
        with contextlib.suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            if shutil.disk_usage(folder).free >= need_bytes and os.access(folder, os.W_OK):
                yield folder
