"""Compiled code by another user is never loaded: the owner and the permissions of the cache are checked."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from rtfx.files import distrust

ROOT = Path(__file__).parents[1]
OTHER = 12345  # a user that there is not
needs_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can give a file to another user")


def a_folder(tmp_path: Path) -> Path:
    place = tmp_path / "a" / "b"
    place.mkdir(parents=True)
    for folder in (tmp_path, tmp_path / "a", place):
        folder.chmod(0o755)
    return place


@pytest.mark.parametrize("mode", [0o755, 0o700, 0o500, 0o711])
def test_a_folder_of_ones_own_is_trusted(tmp_path, mode):
    place = a_folder(tmp_path)
    place.chmod(mode)
    assert distrust(place) == "" and distrust(place / "not there yet") == ""


@pytest.mark.parametrize("mode", [0o777, 0o757, 0o722, 0o702])
@pytest.mark.parametrize("which", ["itself", "above"])
def test_where_anyone_may_write_nothing_is_trusted(tmp_path, mode, which):
    place = a_folder(tmp_path)
    odd = place if which == "itself" else place.parent
    odd.chmod(mode)
    assert str(odd) in distrust(place) and "write" in distrust(place)


def test_a_sticky_folder_above_is_as_good_as_one_of_the_systems(tmp_path):
    place = a_folder(tmp_path)
    place.parent.chmod(0o1777)
    assert distrust(place) == ""
    assert distrust(place.parent), "but in it anyone may put what is not there yet"


def test_a_link_is_followed(tmp_path):
    place = a_folder(tmp_path)
    place.chmod(0o777)
    (tmp_path / "link").symlink_to(place)
    assert str(place) in distrust(tmp_path / "link" / "kernels")


@pytest.mark.parametrize("members", [[], ["somebody"]])
def test_a_group_of_one_is_no_others(tmp_path, monkeypatch, members):
    import grp
    import pwd
    import types

    place = a_folder(tmp_path)
    place.chmod(0o775)
    me = pwd.getpwuid(os.getuid())
    group = types.SimpleNamespace(gr_name=me.pw_name, gr_mem=members)
    monkeypatch.setattr(grp, "getgrgid", lambda number: group)
    assert bool(distrust(place)) == bool(members)


@needs_root
@pytest.mark.parametrize("which", ["itself", "above", "a file"])
def test_what_belongs_to_another_is_not_trusted(tmp_path, which):
    place = a_folder(tmp_path)
    (place / "file").touch()
    odd = {"itself": place, "above": place.parent, "a file": place / "file"}[which]
    os.chown(odd, OTHER, OTHER)
    assert f"{odd} belongs to another user, number {OTHER}" == distrust(place / "file")


PLANT = """
import glob, hashlib, re, sys
import llvmlite.binding as llvm
llvm.initialize_native_target(); llvm.initialize_native_asmprinter()
machine = llvm.Target.from_triple(llvm.get_process_triple()).create_target_machine(codemodel="jitdefault", jit=True)
text = "touch PWNED\\\\00"
for path in glob.glob(sys.argv[1] + "/kernels/*/*.bin"):
    found = re.search(rb"rtfx_([0-9a-f]{64})", open(path, "rb").read()[32:])
    if found:
        key = found[1].decode()
        code = machine.emit_object(llvm.parse_assembly(f'''
@s = private constant [12 x i8] c"{text}"
declare i32 @system(i8*)
define i64 @rtfx_{key}(i64 %a, i64 %b, i64 %c, i64 %d) {{
 %p = getelementptr [12 x i8], [12 x i8]* @s, i64 0, i64 0
 %r = call i32 @system(i8* %p)
 ret i64 0
}}'''))
        open(path, "wb").write(hashlib.sha256(key.encode() + code).digest() + code)
"""
USE = "import numpy as np; from rtfx.engine.engine import LOAD; a = np.array([7]); print(LOAD(a.ctypes.data))"


def use(cache: Path, folder: Path) -> subprocess.CompletedProcess:
    env = os.environ | {"RTFX_CACHE_DIR": str(cache), "PYTHONPATH": str(ROOT), "TMPDIR": str(folder)}
    return subprocess.run([sys.executable, "-c", USE], env=env, cwd=folder, capture_output=True, text=True, timeout=300)


@pytest.fixture(scope="module")
def filled(tmp_path_factory) -> Path:
    """A cache in which every kernel is another's code."""
    folder = tmp_path_factory.mktemp("filled")
    assert use(folder / "c", folder).stdout == "7\n"
    subprocess.run([sys.executable, "-c", PLANT, str(folder / "c")], cwd=folder, check=True)
    return folder / "c"


@pytest.mark.slow
@pytest.mark.parametrize("how", ["writable", pytest.param("another's", marks=needs_root), "a file of it"])
def test_planted_code_does_not_run(filled, tmp_path, how):
    cache = shutil.copytree(filled, tmp_path / "c")
    if how == "another's":
        for path in (cache, *cache.rglob("*")):
            os.chown(path, OTHER, OTHER)
    elif how == "writable":
        cache.chmod(0o777)
    else:
        for path in cache.rglob("*.bin"):
            path.chmod(0o666)
    done = use(cache, tmp_path)
    assert done.stdout == "7\n", done.stderr
    assert not (tmp_path / "PWNED").exists()
    if how == "a file of it":
        assert not done.stderr
    else:
        assert "the kernel cache is not used" in done.stderr and str(cache) in done.stderr
        private = tmp_path / f"rtfx-{os.getuid()}"
        assert private.stat().st_mode & 0o777 in (0o700, 0o755) and list(private.rglob("*.bin"))


@pytest.mark.slow
def test_the_command_says_it_in_one_line(tmp_path):
    cache = tmp_path / "c"
    cache.mkdir()
    cache.chmod(0o777)
    env = os.environ | {"RTFX_CACHE_DIR": str(cache), "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)}
    command = [sys.executable, "-m", "rtfx", "play", "--model", "random:gru?seed=1&hidden=4", "--device", "null"]
    done = subprocess.run([*command, "--seconds", "0.1"], env=env, capture_output=True, text=True, timeout=300)
    said = [line for line in done.stderr.splitlines() if "cache" in line]
    assert done.returncode == 0 and len(said) == 1 and said[0].startswith("rtfx: the kernel cache is not used, as")
