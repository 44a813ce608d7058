"""Files of every family on an emulated AArch64: compiled there for NEON, with an error within the bound."""

import json

import pytest

from ..conftest import SHARED
from ..model.nets import write
from ..test_families import FILES
from .machine import ROOT, Machine

pytestmark = [pytest.mark.emulated, pytest.mark.slow, pytest.mark.timeout(3000)]  # s; it takes four minutes of one core
SHIPPED = ("klon.json", "ronn-42.json")
# Captures whose nets amplify the errors of their gates, and a file of each larger kind.
CAPTURES = (
    "aidax/tw40_british_lead_deerinkstudios.json",
    "nam/BossWN-nano.nam",
    "nam/lstm.nam",
    "proteus/TS9_DriveKnob.json",
)


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    return Machine(tmp_path_factory.mktemp("aarch64"))


def test_the_machine_is_what_it_says(machine):
    words = "import platform; from rtfx.kernels import processor as p; print(platform.machine(), p.instruction_set())"
    done = machine.run("-c", words, seconds=120)
    assert done.stdout.split() == ["aarch64", "NEON"], done.stderr


def test_a_file_of_every_family_is_exact(machine, tmp_path):
    for name, (content, _, _) in FILES.items():
        write(tmp_path, content, f"{name.replace(' ', '-')}.json")
    for path in [ROOT / "models" / name for name in SHIPPED] + [SHARED / "models" / name for name in CAPTURES]:
        if path.exists():
            (tmp_path / path.name).write_bytes(path.read_bytes())
    done = machine.run("-m", "rtfx", "verify", "--json", str(tmp_path), seconds=2900)
    verdicts = [json.loads(line) for line in done.stdout.splitlines()]
    told = "\n".join(
        f"{v['file'].rpartition('/')[2]}: {v.get('peak_error_db')} dB, bound {v.get('bound_db')} dB" for v in verdicts
    )
    print(told)
    assert done.returncode == 0 and all(verdict["ok"] for verdict in verdicts), told + done.stderr
    assert len(verdicts) == len(list(tmp_path.iterdir())) > len(FILES)
    assert all("compiled bare output for NEON" in v["method"] and not v["replaced"] for v in verdicts)
