"""What of a folder has been rendered, with which settings: a run that was interrupted goes on where it ended."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import RtfxError
from ..files import read_file, sweep, write_file

if TYPE_CHECKING:
    from .job import Job
    from .run import Rigs

NAME = ".rtfx-render.json"


class Ledger:
    """A file in the output folder: for each output the settings, the source and, once it is finished, what it was.

    An output that is listed and not finished is one that a former run has left, and may be replaced.
    """

    def __init__(self, folder: Path, settings: Callable[[Job], str]):
        self._folder, self._path, self._settings = folder, folder / NAME, settings
        self._entries: dict[str, dict[str, Any]] = {}
        with contextlib.suppress(OSError, ValueError, AttributeError, RecursionError):
            read = json.loads(read_file(self._path))
            self._entries = {k: v for k, v in read.items() if isinstance(v, dict)}

    def open(self, work: Sequence[Job]) -> tuple[list[Job], list[Job]]:
        """Return (jobs to do, jobs that are finished); removes what killed runs have left half-written."""
        to_do, finished = [], []
        for job in work:
            target = Path(job.target)
            sweep(target)
            entry = self._entries.get(self._name(job))
            if entry and not job.overwrite and target.exists():
                if entry == self._entry(job, target):
                    finished.append(job)
                    continue
                ours = not entry.get("output")
                job = replace(job, overwrite=ours)
            to_do.append(job)
        for job in to_do:
            if job.overwrite or not Path(job.target).exists():
                self._entries[self._name(job)] = self._entry(job, None)
        self._write()
        return to_do, finished

    def done(self, job: Job) -> None:
        """Note that a job is finished."""
        self._entries[self._name(job)] = self._entry(job, Path(job.target))
        self._write()

    def _name(self, job: Job) -> str:
        return os.path.relpath(job.target, self._folder)

    def _entry(self, job: Job, target: Path | None) -> dict[str, Any]:
        return {
            "settings": self._settings(job),
            "source": [os.path.abspath(job.source), *_stamp(Path(job.source))],
            "output": _stamp(target) if target else [],
        }

    def _write(self) -> None:
        with contextlib.suppress(OSError):  # without it nothing can be skipped, all else goes on
            write_file(self._path, json.dumps(self._entries, indent=0))


class Settings:
    """A digest, for each job, of all that the sound of its output depends on but for its source; each found once."""

    def __init__(self, rigs: Rigs):
        self._rigs = rigs
        self._known: dict[tuple, str] = {}

    def __call__(self, job: Job) -> str:
        key = (*job.words, job.preset)
        if key not in self._known:
            self._known[key] = self._digest(job)
        return self._known[key]

    def _digest(self, job: Job) -> str:
        from .. import __version__
        from ..loading.files import identity

        rig = self._rigs.of(job)
        try:
            files = [identity(block) for block in rig.preset.chain if block.file is not None]
        except RtfxError:
            return ""  # nothing will be rendered
        common = replace(job, source="", target="", overwrite=False)
        facts = (__version__, job.what, common, files, rig.preset.chain, rig.set_list.globals)
        return hashlib.sha256(repr(facts).encode()).hexdigest()[:32]


def _stamp(path: Path) -> list[int]:
    """Return size and time of a file, nothing for one that is not there."""
    try:
        status = path.stat()
    except OSError:
        return []
    return [status.st_size, status.st_mtime_ns]
