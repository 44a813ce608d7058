"""``rtfx bench``: the sizes it is given, and the tables that it prints."""

import json

import pytest

from rtfx.bench import Row
from rtfx.cli.bench import COLUMNS, block_sizes, show_rows, show_table
from rtfx.errors import UsageError

from .command import rtfx


def row(model: str, block: int) -> Row:
    return Row(model, block, 48000.0, 12.34, 1688.2, 41.6, 700.0, 1500.0, 2500.0, 60.0, 0.126, ["k"], "ab12", ["gru 8"])


def test_blocks_are_numbers_with_commas_between():
    assert block_sizes("16,64") == [16, 64] and block_sizes("1") == [1]
    with pytest.raises(UsageError, match="'16;64'.*whole numbers with commas"):
        block_sizes("16;64")


def test_a_row_for_each_block_and_the_layers_of_each_model_once(capsys):
    show_rows([row("models/klon.json", 16), row("models/klon.json", 64), row("amp.nam", 16)])
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == " ".join(COLUMNS)
    assert lines[1] == "klon.json 16 12.3 1688 42 1.5 2.5 0.1 0.13 s ab12"
    assert lines[4:] == ["", "klon.json", "gru 8", "", "amp.nam", "gru 8"]


def test_further_columns_are_those_of_all_rows(capsys):
    show_table(["model", "ns"], [["a", "1"], ["b", "2"]], [{"torch": "3"}, {"other": "4"}])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines] == [["model", "ns", "torch", "other"], ["a", "1", "3"], ["b", "2", "4"]]


def test_effects_as_a_table_and_as_json(capsys):
    arguments = ("bench", "--effects", "--block", "64", "--seconds", "0.01")
    code, said, _ = rtfx(capsys, *arguments)
    assert code == 0 and "%core" in said and "transpose" in said
    code, said, _ = rtfx(capsys, *arguments, "--json")
    rows = [json.loads(line) for line in said.splitlines()]
    assert code == 0 and {row["channels"] for row in rows} == {1, 2} and all(row["block"] == 64 for row in rows)
    code, _, told = rtfx(capsys, "bench", "--effects", "klon")
    assert code == 2 and "leave MODEL out" in told
