"""The documents hold: the reference is complete and current, links lead somewhere, examples and quotes are true."""

import ast
import dataclasses
import html
import inspect
import json
import re
import runpy
import shlex
import shutil
import struct
import subprocess
import sys
from functools import cache
from pathlib import Path

import click
import numpy as np
import pytest
import soundfile

import rtfx
from rtfx.analyze import Analysis
from rtfx.cli.main import VERBS, group
from rtfx.effects.table import BLOCKS
from rtfx.host.device import Device
from rtfx.host.round_trip import RoundTrip
from rtfx.live.commands import COMMANDS
from rtfx.live.tuner import Reading
from rtfx.match import Matched
from rtfx.rig import set_list
from rtfx.rig.set_list import load_set_list
from rtfx.tune import Searched

from .cli.command import ENVIRONMENT, process

ROOT = Path(__file__).parents[1]
REFERENCE = ROOT / "docs/reference"
PAGES = [
    *ROOT.glob("*.md"),
    *(ROOT / "docs").rglob("*.md"),
    *(ROOT / "examples").rglob("*.md"),
    ROOT / "models/README.md",
]
LINK = re.compile(r"\]\(([^)\s]+)\)")
FENCED = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
OUR_VARIABLE = re.compile(r"\bRTFX_[A-Z_]+\b")


@cache
def generator() -> dict:
    return runpy.run_path(str(REFERENCE / "generate.py"))


def section(page: str, heading: str) -> str:
    """Return the text below a heading, down to the next one of its rank or higher."""
    text = (REFERENCE / page).read_text(encoding="utf-8")
    rank = heading.split(" ")[0]
    found = re.search(rf"^{re.escape(heading)}\n(.*?)(?=^#{{1,{len(rank)}}} |\Z)", text, re.DOTALL | re.MULTILINE)
    assert found, f"{page} has no section {heading!r}"
    return found[1]


# --- the reference ---


@pytest.mark.parametrize("name", ["cli.md", "commands.md", "osc.md", "set-list.md", "python.md"])
def test_a_generated_page_is_what_the_generator_makes_now(name):
    made = generator()["PAGES"][name]()
    assert (REFERENCE / name).read_text(encoding="utf-8") == made, "run python docs/reference/generate.py"


@pytest.mark.parametrize("verb", VERBS)
def test_every_option_of_a_command_is_in_the_reference(verb):
    text = section("cli.md", f"## rtfx {verb}")
    command = group.get_command(click.Context(group), verb)
    options = [option for option in command.params if isinstance(option, click.Option)]
    for option in options:
        assert re.search(rf"`[^`]*{re.escape(option.opts[-1])}\b[^`]*` \| \S", text), option.opts
    assert options


def test_every_key_of_a_set_list_is_in_the_reference():
    tables = {
        "## The file": set_list.TOP_KEYS,
        "## `device`": (
            *set_list.DEVICE_NAMES,
            *set_list.DEVICE_CHANNELS,
            *(one.name for one in set_list.DEVICE_NUMBERS),
        ),
        "## `global`": [one.name for one in set_list.GLOBALS],
        "## A preset": set_list.PRESET_KEYS,
    }
    for heading, keys in tables.items():
        text = section("set-list.md", heading)
        assert not [key for key in keys if f"| `{key}` |" not in text], heading


def test_every_parameter_of_every_block_is_in_the_reference():
    listed = [json.loads(line) for line in process("info", "--blocks", "--json").stdout.splitlines()]
    assert {each["type"] for each in listed} > set(BLOCKS)
    for block in listed:
        text = section("set-list.md", f"### `{block['type']}`")
        assert not [each["name"] for each in block["parameters"] if f"| `{each['name']}` |" not in text], block["type"]


def test_every_command_of_a_playing_stream_is_in_the_reference():
    text = section("commands.md", "# Commands while it plays")
    assert not [name for name in COMMANDS if not re.search(rf"\| `{name}\b", text)]


def test_everything_that_rtfx_exports_is_in_the_reference():
    for name in rtfx.__all__:
        if name != "__version__":
            text = section("python.md", f"## rtfx.{name}")
            each = getattr(rtfx, name)
            own = [
                n for n, e in vars(each).items() if n[0] != "_" and (inspect.isfunction(e) or isinstance(e, property))
            ]
            assert not inspect.isclass(each) or not [n for n in own if f"### {name}.{n}\n" not in text]


def documented(heading: str) -> set[str]:
    """Return the keys in the tables below a heading of json.md."""
    rows = re.findall(r"^\| (`.*?) \|", section("json.md", f"## rtfx {heading}"), re.MULTILINE)
    return {key for row in rows for key in re.findall(r"`([a-z_0-9]+)`", row)}


@pytest.mark.slow
@pytest.mark.parametrize(
    "heading, arguments",
    [
        ("play", ("play", "klon.json", "--device", "null", "--seconds", "0.1")),
        ("info", ("info", "klon.json")),
        ("info --blocks", ("info", "--blocks")),
        ("info --plan", ("info", "klon.json", "--plan")),
        ("verify", ("verify", "klon.json")),
        ("convert", ("convert", "stack.json", "{}/stack.nam")),
        ("check", ("check", "{}/list.yaml")),
        ("bench", ("bench", "klon", "--block", "64", "--seconds", "0.05")),
        (
            "train",
            ("train", "--input", "{}/dry.wav", "--target", "{}/dry.wav", "--arch", "lstm2", "--rounds", "1")
            + ("--out", "{}/out.json"),
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_json_page_has_exactly_the_keys_that_are_printed(heading, arguments, tmp_path):
    (tmp_path / "list.yaml").write_text("version: 1\npresets: [{name: one, chain: [gate, amp.json]}]\n")
    x = np.random.default_rng(1).uniform(-0.5, 0.5, 4 * 48000)
    soundfile.write(tmp_path / "dry.wav", x, 48000)
    done = process(*(word.format(tmp_path) for word in arguments), "--json")
    assert done.stdout, done.stderr
    assert {key for line in done.stdout.splitlines() for key in json.loads(line)} == documented(heading)


@pytest.mark.slow
def test_the_json_page_has_the_keys_of_files_that_are_no_models(tmp_path):
    (tmp_path / "bad.nam").write_text("{")
    (tmp_path / "notes.txt").write_text("hello")
    printed = map(json.loads, process("info", tmp_path, "--json").stdout.splitlines())
    assert {key for each in printed for key in each} == documented("info FOLDER")


def test_every_command_with_json_output_is_on_the_json_page():
    for verb in VERBS:
        command = group.get_command(click.Context(group), verb)
        if any("--json" in each.opts for each in command.params):
            assert documented(verb), verb


def test_the_json_page_has_the_keys_of_the_commands_that_can_be_sent():
    printed = process("send", "--list", "--json").stdout.splitlines()
    assert {key for line in printed for key in json.loads(line)} <= documented("send --list")
    assert documented("send --list") - json.loads(printed[0]).keys() == {"player", "process", "socket"}


def test_the_json_page_has_exactly_the_fields_of_devices_latency_analyze_match_tuner_and_tune():
    assert {each.name for each in dataclasses.fields(Device)} | {"route", "sample_rates"} == documented("devices")
    assert {each.name for each in dataclasses.fields(RoundTrip)} == documented("latency")
    assert {each.name for each in dataclasses.fields(Analysis)} == documented("analyze")
    assert {each.name for each in dataclasses.fields(Matched)} == documented("match")
    assert {each.name for each in dataclasses.fields(Reading)} == documented("tuner")
    assert {each.name for each in dataclasses.fields(Searched)} | {"model", "block"} == documented("tune")


def test_every_environment_variable_of_ours_is_in_the_reference():
    page = (REFERENCE / "environment.md").read_text(encoding="utf-8")
    read = {name for path in (ROOT / "rtfx").rglob("*.py") for name in OUR_VARIABLE.findall(path.read_text("utf-8"))}
    assert "RTFX_CACHE_DIR" in read
    assert set(OUR_VARIABLE.findall(page)) == read


# --- links, quotes and examples ---


def anchors(page: Path) -> set[str]:
    """Return the anchors that a page's headings get."""
    text = FENCED.sub("", page.read_text(encoding="utf-8"))
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_leads_somewhere(page):
    for target in LINK.findall(page.read_text(encoding="utf-8")):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        there = (page.parent / name).resolve() if name else page
        assert there.exists(), f"{page.name}: {target}"
        assert not anchor or anchor in anchors(there), f"{page.name}: {target}"


def commands_in(page: Path) -> list[str]:
    """Return every command of ours that a page shows, in a block or within a sentence."""
    text = page.read_text(encoding="utf-8")
    blocks = "".join(block for language, block in FENCED.findall(text) if language in ("sh", "console"))
    inline = re.findall(r"`(rtfx [a-z]+ [^`]+)`", FENCED.sub("", text))
    return [*re.findall(r"^(?:\$ )?(?:\S*/)?(rtfx [a-z]+.*)$", blocks.replace("\\\n", " "), re.MULTILINE), *inline]


@pytest.mark.parametrize(
    "page", [page for page in PAGES if page.name != "CHANGELOG.md"], ids=lambda page: str(page.relative_to(ROOT))
)  # the changelog names commands of the past
def test_every_command_on_a_page_and_its_options_exist(page):
    for line in commands_in(page):
        _, verb, *words = shlex.split(line, comments=True)
        assert verb in VERBS, line
        command = group.get_command(click.Context(group), verb)
        known = {name for option in command.get_params(click.Context(command)) for name in option.opts}
        given = {word.partition("=")[0] for word in words if re.fullmatch(r"--?[a-z][a-z-]*(=.*)?", word)}
        assert verb == "random" or given <= known, line


def test_every_file_that_the_architecture_names_exists():
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    files = [path.as_posix() for path in ROOT.rglob("*.py") if not {".venv", ".git"} & set(path.parts)]
    named = set(re.findall(r"`([a-z_/]+\.py)`", text))
    assert "engine/process.py" in named
    assert not [name for name in named if not any(file.endswith(f"/{name}") for file in files)]
    folders = set(re.findall(r"^\| .*?`([a-z_]+)/`", text, re.MULTILINE))
    assert folders and not [name for name in folders if not (ROOT / "rtfx" / name).is_dir()]


def test_every_page_is_in_the_table_of_contents():
    contents = ROOT / "docs/README.md"
    linked = {(contents.parent / target).resolve() for target in LINK.findall(contents.read_text(encoding="utf-8"))}
    assert not {*(ROOT / "docs").rglob("*.md")} - linked - {contents}


@cache
def said() -> set[str]:
    """Return the fixed parts of all texts in the package: of a message with values in it the parts between them."""
    trees = (ast.parse(path.read_text(encoding="utf-8")) for path in (ROOT / "rtfx").rglob("*.py"))
    nodes = (node for tree in trees for node in ast.walk(tree))
    return {node.value.strip() for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}


def quoted_messages() -> list[str]:
    text = (ROOT / "docs/how-to/troubleshooting.md").read_text(encoding="utf-8")
    return [line for _, block in FENCED.findall(text) for line in block.splitlines() if line.startswith("rtfx: ")]


@pytest.mark.parametrize("message", quoted_messages())
def test_a_quoted_message_is_one_of_ours(message):
    """At least half of its letters are fixed parts of texts in the package."""
    left = message.removeprefix("rtfx: ")
    for part in sorted(said(), key=len, reverse=True):
        if len(part) > 8:
            left = left.replace(part, "\0")
    assert 2 * len(left.replace("\0", "")) < len(message), left


@pytest.mark.parametrize("number", range(2))
def test_the_guide_s_set_lists_load(number, tmp_path):
    text = (ROOT / "docs/guide/set-lists.md").read_text(encoding="utf-8")
    lists = [block for language, block in FENCED.findall(text) if language == "yaml"]
    (tmp_path / "list.yaml").write_text(lists[number])
    assert len(lists) == 2
    assert load_set_list(tmp_path / "list.yaml", BLOCKS).presets


@pytest.mark.slow
def test_the_picture_of_the_page_can_be_drawn_anew(tmp_path):
    picture = tmp_path / "page.svg"
    command = [sys.executable, "docs/guide/page.py", picture]
    done = subprocess.run(command, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    for drawing in (picture, ROOT / "docs/guide/page.svg"):
        text = drawing.read_text(encoding="utf-8")
        assert "http" not in text.replace("http://www.w3.org/2000/svg", "")  # nothing is fetched when it is shown
        words = html.unescape(re.sub(r"<[^>]*>", "", text)).replace("\xa0", " ")
        assert "on null at 48000 Hz" in words and "3 crunch" in words and "> tone" in words


@pytest.mark.slow
def test_the_picture_of_the_phones_can_be_taken_anew(tmp_path):
    if shutil.which("chromium") is None:
        pytest.skip("no chromium: apt-get install chromium")
    picture = tmp_path / "phone.png"
    command = [sys.executable, "docs/how-to/phone.py", picture]
    done = subprocess.run(command, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    sizes = {path.read_bytes()[16:24] for path in (picture, ROOT / "docs/how-to/phone.png")}  # of a PNG
    assert sizes == {struct.pack(">II", 752, 764)}


@pytest.mark.slow
def test_the_table_of_sample_rates():
    """A small linear net survives every method; dilation and linear phase better than -40 dB."""
    command = [sys.executable, "docs/measurements/sample_rates.py", "random:tcn?seed=1&layers=2&channels=2"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in done.stdout.splitlines() if line]
    methods = {row[1]: row[2:5] for row in rows if len(row) == 8 and row[2] in ("dilate", "resample")}
    assert set(methods) == {"48", "88.2", "96", "192"}
    assert methods["88.2"][0] == "dilate" and float(methods["88.2"][1]) < -40.0
    assert all(float(row[2]) < -30.0 for row in methods.values())
    (folded,) = [row for row in rows if len(row) == 4 and row[0] not in ("model", "---")]
    assert all(float(cell) < -20.0 for cell in folded[1:])


@pytest.mark.slow
def test_the_conversion_is_quoted_word_for_word(tmp_path):
    page = (ROOT / "docs/how-to/convert.md").read_text(encoding="utf-8")
    exports = ROOT / "tests/model/exports"
    (block,) = (text for language, text in FENCED.findall(page) if language == "console")
    parts = re.findall(r"^\$ rtfx (.*)\n((?:(?!\$ ).*\n)*)", block, re.MULTILINE)
    assert len(parts) == 2
    shutil.copy(exports / "lstm-knobs.pt2", tmp_path / "amp.pt2")
    for command, expected in parts:
        done = process(*shlex.split(command), cwd=tmp_path)
        assert sorted((done.stderr + done.stdout).decode().splitlines()) == sorted(expected.splitlines())
    (kind,) = re.findall(r"`(RTNeural::ModelT<.*>)`", page)
    assert kind in process("info", exports / "mixed.pt2").stdout.decode()
