"""YAML with line numbers: plain values, each with its line, and limits on the memory that a file can use.

The reader walks PyYAML's node tree and constructs only plain scalars, so tags make no objects. It refuses duplicate
keys, keys that are not text, and merge keys; it limits the size, the depth and the number of values after aliases.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..errors import PresetError, reason_of
from ..files import read_file

MAX_BYTES = 1_000_000
MAX_VALUES = 100_000  # a set list of 128 presets with ten blocks each has some 15,000
MAX_DEPTH = 20
MAX_KEY = 200

SCALAR_TAGS = {f"tag:yaml.org,2002:{kind}" for kind in ("str", "int", "float", "bool", "null")}
MERGE_TAG = "tag:yaml.org,2002:merge"


@dataclass(frozen=True)
class Marked:
    """A value and the line (from 1) of its key, or of the value if it has no key.

    `value` is a dict of str to Marked, a list of Marked, or a str, int, float, bool or None.
    """

    value: object
    line: int

    @property
    def plain(self):
        """Return the value without line numbers."""
        if isinstance(self.value, dict):
            return {key: item.plain for key, item in self.value.items()}
        if isinstance(self.value, list):
            return [item.plain for item in self.value]
        return self.value


def read_yaml(path: Path) -> Marked:
    """Read one YAML document.

    Raises
    ------
    PresetError
        The file is unreadable, not YAML, or exceeds a limit; the message is one line that begins with "path:line".
    """
    import yaml  # type: ignore[import-untyped]

    try:
        content = read_file(path, MAX_BYTES + 1)
    except OSError as error:
        reason = reason_of(error).lower()
        raise PresetError(f"{path}: {reason}, expected a set list: check the name") from None
    if len(content) > MAX_BYTES:
        raise PresetError(f"{path}: is larger than {MAX_BYTES} bytes, expected a set list: check the name")
    try:
        node = yaml.compose(content, Loader=yaml.SafeLoader)
        if node is None:
            raise PresetError(f"{path}: is empty, expected a set list that begins with 'version: 1'")
        return _Walk(path).convert(node, None, 0)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{path}:{mark.line + 1}" if mark else str(path)
        problem = _one_line(", ".join(filter(None, (error.context, error.problem))))
        remedy = ": indent with spaces, not tabs" if "'\\t'" in problem else ""
        raise PresetError(f"{place}: is not YAML: {problem}{remedy}") from None
    except yaml.reader.ReaderError as error:
        if error.encoding != "unicode":  # else the text contains a forbidden character
            raise PresetError(f"{path}: is not text at byte {error.position}: save it again as UTF-8") from None
        raise PresetError(f"{path}: is not YAML: {_one_line(error)}") from None
    except yaml.YAMLError as error:
        raise PresetError(f"{path}: is not YAML: {_one_line(error)}") from None
    except RecursionError:
        raise PresetError(f"{path}: is nested too deeply, expected at most {MAX_DEPTH} levels") from None


def _one_line(message) -> str:
    return " ".join(str(message).split())


class _Walk:
    """One walk over a node tree, which counts the values it makes."""

    def __init__(self, path: Path):
        from yaml.constructor import SafeConstructor  # type: ignore[import-untyped]

        self.path = path
        self.count = 0
        self.construct = SafeConstructor().construct_object

    def convert(self, node, line: int | None, depth: int) -> Marked:
        """Return the value of a node; `line` is the line of its key."""
        line = node.start_mark.line + 1 if line is None else line
        place = f"{self.path}:{node.start_mark.line + 1}"
        self.count += 1
        if self.count > MAX_VALUES:
            raise PresetError(f"{place}: grows beyond {MAX_VALUES} values, expected fewer: too many aliases?")
        if depth > MAX_DEPTH:
            raise PresetError(f"{place}: is nested too deeply, expected at most {MAX_DEPTH} levels")
        if node.id == "mapping":
            return Marked(self._mapping(node, depth), line)
        if node.id == "sequence":
            return Marked([self.convert(item, None, depth + 1) for item in node.value], line)
        if node.tag not in SCALAR_TAGS:
            # a date or a custom tag: set lists have neither, so it was meant as text
            return Marked(node.value, line)
        try:
            return Marked(self.construct(node), line)
        except (ValueError, LookupError, TypeError, OverflowError):  # `!!bool maybe` is a KeyError, `!!int ""` no index
            kind = {"int": "number", "float": "number"}.get(node.tag.rpartition(":")[2], "value of its tag")
            raise PresetError(f"{place}: {node.value[:40]!r} is not a {kind} that can be read") from None

    def _mapping(self, node, depth: int) -> dict[str, Marked]:
        result: dict[str, Marked] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            place = f"{self.path}:{line}"
            if key_node.tag == MERGE_TAG:
                raise PresetError(f"{place}: merge keys (<<) are not read here, expected the keys themselves")
            if key_node.id != "scalar":
                raise PresetError(f"{place}: a key is a {key_node.id}, expected text")
            key = key_node.value
            if len(key) > MAX_KEY:
                raise PresetError(f"{place}: a key has {len(key)} characters, expected at most {MAX_KEY}")
            if key in result:
                raise PresetError(f"{place}: duplicate key {key!r}, first on line {result[key].line}: remove one")
            result[key] = self.convert(value_node, line, depth + 1)
        return result
