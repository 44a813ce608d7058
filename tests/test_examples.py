"""The programs in examples/ run as they stand, on the null device, and print what they should."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from .cli.command import ENVIRONMENT

EXAMPLES = Path(__file__).parents[1] / "examples"
SECONDS = 300  # a program takes some of them; the rest is for a busy machine that compiles

# program -> (arguments, what its output must match)
SAYS = {
    "play_model.py": (
        ("klon.json", "null", "1"),
        r"klon.json: gain\ninput .* dBFS, load .*\nplayed 48000 frames, latency",
    ),
    "render_folder.py": ((), r"110.wav: 1.\d+ s, 1 channel\(s\)\n220.wav: 1.\d+ s, 1 channel\(s\)\n$"),
    "change_presets.py": (
        ("crunch.yaml", "null"),
        r"preset 1: glass\n  scene solo: .*preset 2: edge\n.*preset 3: crunch",
    ),
    "train_pair.py": ((), r"(ESR \d+.\d+ %\n){2}.*my.json: ESR \d+.\d+ % on the part held back"),
    "hear_training.py": (("null",), r"\d\d+ steps, weights off by 0\.0"),
    "chain.py": ((), r"peak -?\d+.\d dBFS, 48000 frames\n"),
    "random_net.py": (("2",), r"seed=0.* Hz\n.*seed=1.* Hz\nthe brightest: rtfx play 'random:tcn"),
    "convert_model.py": ((), r"stack.nam: nam, ESR .*\nplayed, both differ by (0|\d.*e-0[5-9]) at most\n$"),
    "measure_null.py": ((), r"ESR 0.000102\nnull: -1\d\d.\d dB, at -0.09 dB\n$"),
    "process_blocks.py": ((), r"188 blocks, the same samples as in one call\n$"),
}


def run(program: str, *arguments: str, cwd: Path) -> str:
    """Return what a program prints."""
    command = [sys.executable, str(EXAMPLES / program), *arguments]
    done = subprocess.run(command, cwd=cwd, env=ENVIRONMENT, capture_output=True, text=True, timeout=SECONDS)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_program_is_run():
    assert {path.name for path in EXAMPLES.glob("*.py")} == set(SAYS)


@pytest.mark.slow
@pytest.mark.parametrize("program", SAYS)
def test_a_program_runs_and_says_what_it_found(program, tmp_path):
    arguments, expected = SAYS[program]
    said = run(program, *arguments, cwd=tmp_path)
    assert re.search(expected, said, re.DOTALL), said


@pytest.mark.parametrize("program", [*SAYS, "torch_only/play_module.py"])
def test_a_program_is_short_and_says_what_it_is_for(program):
    text = (EXAMPLES / program).read_text()
    assert text.startswith('"""') and len(text.splitlines()) < 46
    assert f"({program})" in (EXAMPLES / "README.md").read_text()
