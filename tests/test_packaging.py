"""The wheel and the editable install: the command works in a fresh environment, from any folder."""

import json
import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

import rtfx

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
BUILD = ["--quiet", "--no-deps", "--no-build-isolation", "--disable-pip-version-check"]


def run(*command: str | Path, cwd: Path) -> subprocess.CompletedProcess:
    """Run a command as a user would elsewhere: no project on the path, no data of the user's own."""
    environment = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "PYTHONHOME")}
    environment |= {"XDG_DATA_HOME": str(cwd / "data"), "XDG_CONFIG_HOME": str(cwd / "config")}
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "pip", "wheel", *BUILD, "--wheel-dir", folder, ROOT, cwd=folder)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module", params=["wheel", "editable"])
def environment(request, tmp_path_factory) -> tuple[Path, str]:
    """The folder of a fresh environment's commands; only the dependencies come from the environment of the tests."""
    folder = tmp_path_factory.mktemp(request.param)
    venv.create(folder / "env", with_pip=False)
    commands = folder / "env" / "bin"
    ask = "import sysconfig; print(sysconfig.get_path('purelib'))"
    packages = Path(run(commands / "python", "-c", ask, cwd=folder).stdout.strip())
    outside = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (packages / "dependencies.pth").write_text("\n".join(outside))  # the .pth files in there are not followed
    what = [request.getfixturevalue("wheel")] if request.param == "wheel" else ["--editable", ROOT]
    run(commands / "python", "-m", "pip", "install", "--ignore-installed", *BUILD, *what, cwd=folder)
    return commands, request.param


def test_the_wheel_holds_what_is_needed_and_nothing_else(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    shipped = {
        f"rtfx/data/{path.relative_to(ROOT).as_posix()}"
        for kind in ("models", "presets")
        for path in (ROOT / kind).rglob("*")
        if path.is_file() and "make" not in path.parts and path.suffix != ".md" and path.name[0] != "."
    }
    assert {"rtfx/data/models/klon.json", "rtfx/data/models/riff.flac", "rtfx/data/presets/crunch.yaml"} <= shipped
    page = {f"rtfx/remote/web/page/{name}" for name in ("index.html", "page.css", "page.js", "icon.svg")}
    assert shipped | page | {"rtfx/py.typed", "rtfx/cli/main.py"} <= names
    tops = {name.split("/")[0] for name in names}
    assert tops == {"rtfx", f"rtfx-{rtfx.__version__}.dist-info"}
    assert not [name for name in names if "/make/" in name or "__pycache__" in name]


def test_the_installed_package_is_the_one_under_test(environment, tmp_path):
    commands, kind = environment
    found = Path(run(commands / "python", "-c", "import rtfx; print(rtfx.__file__)", cwd=tmp_path).stdout.strip())
    expected = ROOT / "rtfx" if kind == "editable" else commands.parent
    assert found.is_relative_to(expected)


def test_the_command_tells_its_version(environment, tmp_path):
    commands, _ = environment
    assert rtfx.__version__ in run(commands / "rtfx", "--version", cwd=tmp_path).stdout
    assert rtfx.__version__ in run(commands / "python", "-m", "rtfx", "--version", cwd=tmp_path).stdout


@pytest.mark.parametrize("name", ["klon.json", "klon"])
def test_a_shipped_model_is_found_by_name_from_any_folder(environment, tmp_path, name):
    commands, kind = environment
    told = json.loads(run(commands / "rtfx", "info", name, "--json", cwd=tmp_path).stdout)
    home = "rtfx/data/models" if kind == "wheel" else "models"
    found = run(commands / "python", "-c", f"import rtfx.find; print(rtfx.find.find_model('{name}'))", cwd=tmp_path)
    assert found.stdout.strip().endswith(f"{home}/klon.json")
    assert told["sample_rate"] == 48000 and [knob["name"] for knob in told["knobs"]] == ["gain"]


def test_a_shipped_set_list_plays_the_bundled_riff_from_any_folder(environment, tmp_path):
    commands, _ = environment
    play = [commands / "rtfx", "play", "crunch.yaml", "--device", "null", "--seconds", "0.2", "--json"]
    told = json.loads(run(*play, cwd=tmp_path).stdout)
    assert told["frames"] == round(0.2 * told["sample_rate"]) and told["peak_in_dbfs"] > -60
