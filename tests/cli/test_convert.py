"""``rtfx convert``: its output, its refusals, the files that it leaves alone; and `Model.save`."""

import json

import rtfx as package
from rtfx.model.load import load

from ..model.guitar_nets import agam_files
from ..model.nets import small_nets, write
from .command import process, rtfx


def test_the_suffix_names_the_format_and_parity_is_printed(capsys, tmp_path):
    path = write(tmp_path, small_nets()["lstm"])
    for name, to in (("a.nam", "nam"), ("a.aidax", "aidax"), ("a.json", "rtfx")):
        code, out, err = rtfx(capsys, "convert", path, tmp_path / name)
        assert code == 0
        assert out.startswith(f"{tmp_path / name}: {to}, max error ") and "ESR " in out
        assert "does not render the same" not in err
        assert load(tmp_path / name).family == to


def test_json(capsys, tmp_path):
    path = write(tmp_path, small_nets()["three-input-lstm"])
    code, out, _ = rtfx(capsys, "convert", path, tmp_path / "p.json", "--to", "proteus", "--json")
    facts = json.loads(out)
    assert code == 0
    assert (facts["to"], facts["max_abs_error"], facts["esr"], facts["peak_error_db"]) == ("proteus", 0.0, 0.0, None)
    assert any("knobs have no names in the file, only an order: drive, tone" in line for line in facts["warnings"])


def test_what_cannot_be_said_is_one_line_and_no_file(capsys, tmp_path):
    path = write(tmp_path, agam_files()["simple-LSTM"])
    code, out, err = rtfx(capsys, "convert", path, tmp_path / "x.json", "--to", "rtneural")
    assert (code, out) == (1, "")
    assert "node 3 (add)" in err and err.splitlines()[-1].endswith("it can be written as: rtfx, nam, aidax, proteus")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["net.json"]


def test_a_file_that_exists_is_left_alone(capsys, tmp_path):
    path = write(tmp_path, small_nets()["lstm"])
    (tmp_path / "a.nam").write_text("mine")
    code, _, err = rtfx(capsys, "convert", path, tmp_path / "a.nam")
    assert code == 2 and "overwrite it with -y" in err
    assert (tmp_path / "a.nam").read_text() == "mine"
    assert rtfx(capsys, "convert", path, tmp_path / "a.nam", "-y")[0] == 0
    assert load(tmp_path / "a.nam").family == "nam"


def test_wrong_usage_and_a_missing_folder(capsys, tmp_path):
    path = write(tmp_path, small_nets()["lstm"])
    assert rtfx(capsys, "convert", path, tmp_path / "a.txt")[0] == 2
    assert rtfx(capsys, "convert", path, tmp_path / "a.nam", "--to", "nan")[0] == 2
    code, _, err = rtfx(capsys, "convert", path, tmp_path / "no" / "a.nam")
    assert code == 1 and "does not exist: make it first" in err


def test_it_starts_without_compiling_anything(tmp_path):
    path = write(tmp_path, small_nets()["lstm"])
    code = (
        "import sys; from rtfx.cli.main import run; "
        f"run(['convert', {str(path)!r}, {str(tmp_path / 'a.nam')!r}]); print('numba' in sys.modules)"
    )
    import subprocess
    import sys

    from .command import ENVIRONMENT

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=ENVIRONMENT, check=True)
    assert done.stdout.splitlines()[-1] == "False"


def test_the_command_stands_in_the_help():
    assert b"convert" in process("--help").stdout


def test_a_model_saves_itself(tmp_path):
    done = package.load(write(tmp_path, small_nets()["lstm"])).save(tmp_path / "a.nam")
    assert (done.to, done.path, done.parity.same) == ("nam", tmp_path / "a.nam", True)
