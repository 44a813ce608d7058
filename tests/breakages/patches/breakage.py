"""What a breakage is."""

from __future__ import annotations

from typing import NamedTuple


class Breakage(NamedTuple):
    """Replace `old`, found once in `file`, by `new`: then `test` must fail.

    `same_code` says that compiled code does not change, so that kernels need not be compiled again; `optimise` that the
    test looks at optimised code.
    """

    name: str
    file: str
    old: str
    new: str
    test: str
    same_code: bool = False
    optimise: bool = False
