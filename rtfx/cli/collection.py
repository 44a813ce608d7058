"""Finds the models of a folder, reads them over all cores, and prints a table in which bad files are marked."""

from __future__ import annotations

import contextlib
import io
import itertools
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from pathlib import Path
from typing import Any

from ..batch.workers import pool
from ..errors import NotAModelFile, ResourceLimit, RtfxError, one_line
from .output import json_line, printer, say, status

FEW = 24  # files are read here in less time than workers need to start
TOGETHER = 8  # files that a worker gets at a time
WIDE = 2000  # columns where the output is no terminal: each file on one line
COLUMNS = ("file", "family", "kind", "Hz", "weights", "mul-adds", "memory", "knobs", "remarks")
NUMBERS = ("Hz", "weights", "mul-adds", "memory")
STATED = ("file", "metadata", "user")  # sources of the rate that are not guesses
ROOMY, NARROW = 120, ("file", "family", "Hz", "weights", "remarks")

NO_MODELS = {
    "audio": (".wav", ".flac", ".aiff", ".aif", ".mp3", ".ogg", ".opus", ".m4a", ".caf", ".w64", ".rf64", ".au"),
    "a set list, or other YAML": (".yaml", ".yml"),
    "a picture": (".png", ".jpg", ".jpeg", ".gif", ".webp", ".svg", ".bmp", ".ico"),
    "text": (
        ".txt", ".md", ".rst", ".pdf", ".csv", ".tsv", ".log", ".ini", ".toml", ".html", ".url", ".py", ".ipynb", ".sh",
        "license", "licence", "copying", "readme", "makefile",
    ),
}  # fmt: skip
DESCRIPTION = ".arch.json"  # describes a PyTorch state_dict; is no model itself

Reader = Any  # (name) -> facts; a function of a module, so that a worker can import it


def folder_files(name: str) -> tuple[list[str], dict[str, str]]:
    """Return the files in a folder, and in its folders, that may be models, sorted; and the kind of each other file.

    Any file may be a model unless its name shows that it is audio, text or a picture. A file that cannot be read is
    included: its row in the table gives the reason.

    Raises
    ------
    NotAModelFile
        The folder holds nothing that may be a model.
    """
    files: list[str] = []
    others: dict[str, str] = {}

    def unreadable(error: OSError) -> None:
        files.append(str(error.filename))

    for folder, folders, names in os.walk(name, onerror=unreadable):
        folders[:] = [each for each in folders if not each.startswith(".")]  # hidden ones
        for each in names:
            if not each.startswith("."):
                what = _no_model(each, names)
                others |= {os.path.join(folder, each): what} if what else {}
                files += [] if what else [os.path.join(folder, each)]
    if not files:
        raise _no_model_in(name)
    return sorted(files), dict(sorted(others.items()))


def _no_model(name: str, beside: Sequence[str]) -> str:
    """Return the kind of a file whose name shows that it is no model, else ""; `beside` are the names in its folder."""
    lower = name.lower()
    if lower.endswith(DESCRIPTION):
        return "describes the layers of another file"
    if lower.endswith("weights.npy") and name[: -len("weights.npy")] + "config.json" in beside:
        return "weights of the config.json beside it"
    if lower.endswith(".data") and name.removesuffix(".data") in beside:
        return "tensors of the file beside it"
    suffix = os.path.splitext(lower)[1]
    return next((what for what, suffixes in NO_MODELS.items() if suffix in suffixes or lower in suffixes), "")


def _no_model_in(folder: str) -> NotAModelFile:
    from ..find import MODEL_SUFFIXES

    expected = f"expected {', '.join(MODEL_SUFFIXES)} or a Keras .h5"
    return NotAModelFile(f"{folder}: no model file in this folder or those in it, {expected}")


def model_files(name: str) -> list[str]:
    """Return the models of a folder and all folders in it, sorted, or `name` itself.

    Raises
    ------
    NotAModelFile
        The folder holds no model file.
    """
    from ..find import MODEL_SUFFIXES, files_in
    from ..model.read.keras_file import SUFFIXES, holds_model

    folder = Path(name)
    if not folder.is_dir():
        return [name]
    files = []
    for path in files_in(folder):
        if any(part.startswith(".") for part in path.relative_to(folder).parts):
            continue  # hidden ones
        suffix = path.suffix.lower()
        if suffix in MODEL_SUFFIXES and path.is_file() and not path.name.endswith(DESCRIPTION):
            files.append(str(path))
        elif suffix in SUFFIXES and path.is_file() and holds_model(path):
            files.append(str(path))
    if not files:
        raise _no_model_in(name)
    return files


def show_folder(
    folder: str,
    files: Sequence[str],
    read: Reader,
    as_json: bool,
    others: Mapping[str, str] | None = None,
) -> int:
    """Print the facts about every file, as a table or as lines of JSON; return the exit code: 1 if any is bad.

    `others` maps files that are no models to their kind; they are listed after the models and are not bad.
    """
    rows, failed = [], 0
    no_models = [{"file": name, "family": None, "no_model": what} for name, what in (others or {}).items()]
    for facts in itertools.chain(_watched(facts_of(files, read), len(files)), no_models):
        failed += "error" in facts
        if as_json:
            json_line(facts)
        else:
            rows.append(facts)
    if rows:
        _print_table(folder, rows)
    if failed:
        status(f"{failed} of {len(files)} files cannot be read")
    return 1 if failed else 0


def judge_each(files: Sequence[str], judge: Callable[[str], bool], keys: Sequence[str] | None = None) -> int:
    """Call `judge` for each model, which prints its verdict; return the number of models that failed.

    Parameters
    ----------
    judge : callable
        Returns whether a model passes. A model that cannot be read fails; the others are still judged.
    keys : sequence of str, optional
        The keys of a verdict, if verdicts are printed as JSON. A file that cannot be read then has a line too: these
        keys are null, and `error` and `error_class` give the reason.

    Raises
    ------
    RtfxError
        The only model cannot be read.
    """
    failed = 0
    for name in files:
        try:
            failed += not judge(name)
        except Exception as error:  # of any class: the others are still judged
            if keys is not None:
                json_line({"file": name, **dict.fromkeys(keys), "ok": False, **_refusal(name, error)})
            if len(files) == 1:
                raise
            failed += 1
            status(str(error) if isinstance(error, RtfxError) else f"{name}: {_refusal(name, error)['error']}")
    return failed


def facts_of(files: Sequence[str], read: Reader) -> Iterator[dict[str, Any]]:
    """Yield the facts that `read` returns for each file, in order; for a bad one its error in words."""
    job = partial(_facts, read=read)
    if len(files) <= FEW:
        yield from map(job, files)
        return
    done = 0
    with pool(min(os.cpu_count() or 1, -(-len(files) // TOGETHER))) as workers:
        try:
            for facts in workers.map(job, files, chunksize=TOGETHER):
                yield facts
                done += 1
        except BrokenProcessPool:
            pass  # the loop below finds the file
        finally:
            workers.shutdown(wait=True, cancel_futures=True)
    yield from _one_by_one(job, files[done:])


def _one_by_one(job: Reader, files: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yield the facts with one process at a time; a file that crashes its process is marked as bad."""
    left = list(files)
    while left:
        with pool(1) as worker, contextlib.suppress(BrokenProcessPool):
            while left:
                yield worker.submit(job, left[0]).result()
                del left[0]
        if left:
            error = ResourceLimit("the process that read this file has died: is there enough memory?")
            yield {"file": left[0], **_refusal(left[0], error)}
            del left[0]


def _watched(facts: Iterator[dict[str, Any]], total: int) -> Iterator[dict[str, Any]]:
    """Pass `facts` on; in a terminal show a progress bar for many files."""
    if total <= FEW or not sys.stderr.isatty():
        yield from facts
        return
    from rich.progress import track

    yield from track(facts, "reading", total, console=printer(stderr=True), transient=True)


def _facts(name: str, read: Reader) -> dict[str, Any]:
    try:
        return read(name)
    except Exception as error:  # of any kind: the table lists it as bad
        return {"file": name, **_refusal(name, error)}


def _refusal(name: str, error: Exception) -> dict[str, str]:
    words = str(error) if isinstance(error, RtfxError) else f"internal error, please report it: {error}"
    return {"error": one_line(words).removeprefix(f"{name}: "), "error_class": type(error).__name__}


def _print_table(folder: str, rows: Sequence[dict[str, Any]]) -> None:
    """Print a row for each file: as wide as the terminal, or without a terminal each on one line."""
    from rich.markup import escape
    from rich.table import Table

    watched = sys.stdout.isatty()
    text = io.StringIO()
    console = printer(highlight=False) if watched else printer(highlight=False, width=WIDE, file=text)
    columns = COLUMNS if console.width >= ROOMY else tuple(column for column in COLUMNS if column in NARROW)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        folds = watched and column in ("file", "remarks")
        table.add_column(column, justify="right" if column in NUMBERS else "left", overflow="fold", no_wrap=not folds)
    for facts in rows:
        cells = _cells(facts) | {"file": os.path.relpath(facts["file"], folder)}
        table.add_row(*(escape(cells.get(column, "")) for column in columns), style="red" if "error" in facts else None)
    console.print(table)
    if not watched:
        say("\n".join(line.rstrip() for line in text.getvalue().splitlines()))


def _cells(facts: dict[str, Any]) -> dict[str, str]:
    """Return the cells of one file by column."""
    if "no_model" in facts:
        return {"family": "-", "remarks": f"no model: {facts['no_model']}"}
    if "error" in facts:
        return {"family": "BAD", "remarks": f"{facts['error_class']}: {facts['error']}"}
    rate, field = facts["sample_rate"], facts["receptive_field"]
    return {
        "family": facts["family"],
        "kind": "" if facts["kind"] == "unknown" else facts["kind"],
        "Hz": f"{rate:g}{'' if facts['rate_source'] in STATED else '?'}" if rate else "any",
        "weights": str(facts["parameters"]),
        "mul-adds": str(facts["macs_per_sample"]),
        "memory": "recurrent" if field is None else str(field),
        "knobs": ", ".join(knob["name"] for knob in facts["knobs"]),
        "remarks": "" if _only_rate(facts) else _first(facts["warnings"]),
    }


def _first(warnings: Sequence[str]) -> str:
    """Return the most important warning, and the number of the others."""
    more = f" (and {len(warnings) - 1} more: rtfx info FILE)" if len(warnings) > 1 else ""
    return f"{warnings[0]}{more}" if warnings else ""


def _only_rate(facts: dict[str, Any]) -> bool:
    """Return whether the only warning is about an unknown rate, which the column of rates already shows."""
    return len(facts["warnings"]) == 1 and facts["rate_source"] != "file" and "sample rate" in facts["warnings"][0]
