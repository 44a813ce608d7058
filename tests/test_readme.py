"""README.md says what works: its Python runs as written, its set list loads, and its commands and links exist."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from rtfx.cli.main import VERBS
from rtfx.effects.table import BLOCKS
from rtfx.rig.set_list import load_set_list

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    """The fenced blocks of one language."""
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.DOTALL | re.MULTILINE)


def test_the_python_example_runs_as_written(tmp_path):
    (code,) = blocks("python")
    shutil.copy(ROOT / "models/riff.flac", tmp_path / "dry.flac")
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"1500 blocks, 0 of them not finite\n", done.stdout)


def test_the_set_list_loads(tmp_path):
    (text,) = blocks("yaml")
    (tmp_path / "list.yaml").write_text(text)
    assert yaml.safe_load(text)["version"] == 1
    assert [preset.name for preset in load_set_list(tmp_path / "list.yaml", BLOCKS).presets] == ["edge"]


def test_every_command_named_exists():
    shell = "\n".join([*blocks("sh"), *blocks("console"), *re.findall(r"`(rtfx [^`]+)`", README)])
    named = set(re.findall(r"(?:^|[$/] ?)rtfx ([a-z]+)", shell, re.MULTILINE))
    assert {"play", "render"} <= named <= set(VERBS)


@pytest.mark.parametrize("target", sorted(set(re.findall(r"\]\(([^)#:]+)\)", README))))
def test_every_link_leads_somewhere(target):
    assert (ROOT / target).exists()


def test_the_set_up_is_two_commands():
    for name, must in (("play", "rtfx play"), ("test", "pytest")):
        (command,) = re.findall(rf"<!-- {name} -->\n```sh\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
        lines = command.rstrip().split("\n")
        assert must in command and "libportaudio2" in command
        assert all(line.endswith("\\") for line in lines[:-1]), "more than one command"
