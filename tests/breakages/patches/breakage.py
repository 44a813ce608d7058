"""The class of a breakage: a change of the code, and the test that must then fail."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple


class Breakage(NamedTuple):
    """Replace `old`, which stands once in the whole package, by `new`: then `test` must fail.

    `same_code` says that compiled code does not change, so that kernels need not be compiled again; `optimise` that the
    test looks at optimised code.
    """

    name: str
    old: str
    new: str
    test: str
    same_code: bool = False
    optimise: bool = False

    def places(self, root: Path) -> list[Path]:
        """Return the files of the package under `root` that hold `old`, one entry for each time."""
        return [file for file in sorted((root / "rtfx").rglob("*.py")) for _ in range(file.read_text().count(self.old))]
