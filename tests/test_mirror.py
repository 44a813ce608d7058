"""Every module has a test file that imports it or has its name; the list of exceptions must not grow."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE, TESTS = ROOT / "rtfx", ROOT / "tests"
UNTESTED = {
    # what users run: tested as a command, by its output
    "rtfx.batch.run",
    # compiled into the audio thread's callback: tested by what an engine plays
    "rtfx.engine.ports",
    # parts of readers and writers: tested with whole files
    "rtfx.model.read.hdf5_process",
    "rtfx.model.read.nam_wavenet",
    "rtfx.model.read.onnx_layers",
    "rtfx.model.read.onnx_operators",
    "rtfx.model.read.operations",
    # rewrites and lowerings: tested by how a graph sounds
    "rtfx.plan.lowering.elementwise",
    "rtfx.plan.lowering.series",
    "rtfx.plan.lowering.wavenet",
    # tested by the gradients that it computes
    "rtfx.train.tiles",
}


def dotted(path: Path) -> str:
    """Return the name under which a file is imported."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imported(path: Path) -> set[str]:
    """Return all dotted names that a file imports: modules, and the names it takes from them."""
    base, found = dotted(path).split("."), set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "rtfx":
            found.add(f"rtfx.{node.attr}")
        elif isinstance(node, ast.ImportFrom):
            above = base[: len(base) + (path.name == "__init__.py") - node.level] if node.level else []
            module = ".".join([*above, *([node.module] if node.module else [])])
            found |= {module, *(f"{module}.{alias.name}" for alias in node.names)}
    return found


def homes() -> dict[str, str]:
    """Return the module behind each name that a package passes on: ``rtfx.model.nodes.Gru`` is of ``nodes.gru``."""
    passed_on = {}
    for package in PACKAGE.rglob("__init__.py"):
        for name in imported(package):
            module, _, member = name.rpartition(".")
            passed_on[f"{dotted(package)}.{member}"] = module
    return passed_on


def _package(path: Path, root: Path) -> str:
    """Return the folder below `root`: tests of ``model/read/nam.py`` are ``tests/model/test_nam.py``."""
    return path.relative_to(root).parent.parts[0] if path.parent != root else ""


def untested() -> set[str]:
    """Return the modules that no test file imports and whose name none bears."""
    passed_on, files = homes(), list(TESTS.rglob("*.py"))
    names = {name for path in files for name in imported(path)}
    names |= {passed_on.get(name) for name in names}
    names |= {f"{_package(path, TESTS)}/{path.stem.removeprefix('test_')}" for path in TESTS.rglob("test_*.py")}
    modules = (path for path in PACKAGE.rglob("*.py") if path.name != "__init__.py")
    return {dotted(path) for path in modules if not {dotted(path), f"{_package(path, PACKAGE)}/{path.stem}"} & names}


def test_every_module_but_those_listed_has_a_test():
    found = untested()
    assert found <= UNTESTED, f"write tests for {sorted(found - UNTESTED)}"
    assert found >= UNTESTED, f"take {sorted(UNTESTED - found)} off the list: they have tests now"


def test_names_of_packages_are_those_of_their_modules():
    assert homes()["rtfx.model.nodes.Gru"] == "rtfx.model.nodes.gru"
    assert homes()["rtfx.Rig"] == "rtfx.rigs"


def test_imports_are_found_however_they_are_written(tmp_path, monkeypatch):
    package = tmp_path / "rtfx" / "live"
    package.mkdir(parents=True)
    module = package / "some.py"
    module.write_text("import rtfx.a\nfrom ..b import c\nfrom . import d\nfrom rtfx.e import f as g\nx = rtfx.Model\n")
    monkeypatch.setattr(f"{__name__}.ROOT", tmp_path)
    expected = {"rtfx.a", "rtfx.b", "rtfx.b.c", "rtfx.live", "rtfx.live.d", "rtfx.e", "rtfx.e.f", "rtfx.Model"}
    assert imported(module) == expected
    (package / "__init__.py").write_text("from .some import x\n")
    assert imported(package / "__init__.py") == {"rtfx.live.some", "rtfx.live.some.x"}
