"""Which kernels a changed source file can reach: those whose modules import it, directly or not."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "rtfx"
MODULES = {".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in PACKAGE.rglob("*.py")}


@cache
def imported(module: str) -> frozenset[str]:
    """Return the modules that a module of the package imports, wherever in the file it does."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(MODULES[module].read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = ".".join([*module.split(".")[: -node.level], *filter(None, [node.module])])
            found |= {base, *(f"{base}.{alias.name}" for alias in node.names)}
    return frozenset(found & set(MODULES))


@cache
def reached(module: str) -> frozenset[str]:
    """Return a module and all that it imports, directly or not."""
    found, waiting = {module}, [module]
    while waiting:
        new = imported(waiting.pop()) - found
        found |= new
        waiting += new
    return frozenset(found)


def module_of(kernel: str) -> str:
    """Return the module of a kernel's file, whose name begins with it."""
    return max((name for name in MODULES if f"rtfx.{kernel}".startswith(f"{name}.")), key=len)


def is_reached(kernel: Path, changed: str) -> bool:
    """Return whether a kernel may be another one after a change of the file `changed`."""
    return ".".join(Path(changed).with_suffix("").parts) in reached(module_of(kernel.name))
