"""Imports point one way, and modules that must start at once import no large library."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "rtfx"
# a folder may import itself and those before it; __init__ exports lazily from any folder
ORDER = "errors units files wave_headers find audio pitch model rig kernels effects plan engine loading host".split()
ORDER += "notebook live remote ui rigs api verify pack check match analyze analysis_page bench tune train".split()
ORDER += "rig_arguments batch cli __main__".split()

HEAVY = ("numba", "llvmlite", "scipy", "soxr", "soundfile", "sounddevice", "rich", "torch", "watchfiles")
HEAVY += ("starlette", "uvicorn", "websockets", "segno")
MODULES = sorted(PACKAGE.rglob("*.py"))


def imported_folders(path: Path, tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield (line, folder) for every import of the package, wherever in the file it is."""
    package = ("rtfx", *path.relative_to(PACKAGE).parent.parts)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                assert alias.name.split(".")[0] != "rtfx", f"{path}:{node.lineno}: absolute import of {alias.name}"
        elif isinstance(node, ast.ImportFrom):
            if not node.level:
                assert node.module and node.module.split(".")[0] != "rtfx", f"{path}:{node.lineno}: absolute import"
                continue
            base = package[: len(package) - node.level + 1]
            names = [node.module] if node.module else [alias.name for alias in node.names]
            for name in names:
                full = (*base, *name.split("."))
                if full[1] not in ("__version__",):
                    yield node.lineno, full[1]


def folder_of(path: Path) -> str:
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def test_every_folder_has_its_place_in_the_order():
    folders = {folder_of(path) for path in MODULES} - {"__init__"}
    assert folders == set(ORDER)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_one_way(path):
    folder = folder_of(path)
    for line, target in imported_folders(path, ast.parse(path.read_text())):
        if folder != "__init__":
            assert ORDER.index(target) <= ORDER.index(folder), (
                f"{path}:{line}: {folder} imports {target}, a later folder"
            )


@pytest.mark.parametrize(
    ("place", "text", "found"),
    [
        ("model/load.py", "def f():\n    from ..kernels import conv", ["kernels"]),
        ("model/load.py", "from .. import api, errors", ["api", "errors"]),
        ("model/load.py", "from . import spec\nfrom .spec import Dense", ["model", "model"]),
        ("api.py", "from .live.open import open_stream", ["live"]),
        ("cli/main.py", "from .. import __version__", []),
    ],
)
def test_the_import_reader_sees_each_form(place, text, found):
    assert [folder for _, folder in imported_folders(PACKAGE / place, ast.parse(text))] == found


@pytest.mark.parametrize("text", ["import rtfx.api", "from rtfx.api import load", "from rtfx import load"])
def test_absolute_imports_are_refused(text):
    with pytest.raises(AssertionError, match="absolute import"):
        list(imported_folders(PACKAGE / "cli/main.py", ast.parse(text)))


def loaded_by(code: str) -> set[str]:
    """The top-level modules in a fresh process after `code`."""
    code += "\nimport sys; print(*{name.split('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=PACKAGE.parent, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "code",
    [
        "import rtfx.model.load, rtfx.model.random, rtfx.model.reference",
        "import rtfx.rig.set_list, rtfx.rig.parameters",
        "import rtfx.effects.table",
        "import rtfx.find, rtfx.files, rtfx.errors, rtfx.units",
    ],
)
def test_what_describes_imports_nothing_heavy(code):
    assert not loaded_by(code) & set(HEAVY)


@pytest.mark.parametrize("folder", ["model", "rig", "effects"])
def test_every_module_of_a_folder_that_describes_imports_no_numba(folder):
    names = [f"rtfx.{folder}.{path.stem}" for path in (PACKAGE / folder).glob("*.py") if path.stem != "__init__"]
    assert names
    assert not loaded_by("import " + ", ".join(names)) & {"numba", "llvmlite", "scipy", "torch"}


def test_the_package_and_the_command_import_not_even_numpy():
    assert not loaded_by("import rtfx, rtfx.cli.main") & {"numpy", *HEAVY}


def test_the_module_list_sees_numba_where_it_is():
    assert "numba" in loaded_by("from rtfx.kernels.kernel import Loop; Loop(lambda: 0, 'int64()').compiled()")
