"""Controls that turn several parameters at once: macros, the tempo of a preset, and what a container exposes.

A *macro* moves each of its targets from one value to another as it goes from 0 to 1. A *container* is a chain with a
name, under ``define:`` or in a file of its own, which ``{use: NAME}`` puts into a preset; it exposes some parameters
under names of its own. Its blocks get ids that begin with the container's, such as ``stack-amp``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import PresetError, UsageError, did_you_mean, quoted
from ..find import find_beside
from .blocks import ROUTERS, free_id, router_of, type_and_file
from .parameters import Parameter
from .yaml_marks import Marked, read_yaml

if TYPE_CHECKING:
    from .set_list import Reader

MACRO, TEMPO = "macro", "tempo"  # first halves of addresses
TEMPO_BPM = f"{TEMPO}.bpm"
CURVES = {"linear": 1.0, "slow": 2.0, "fast": 0.5}  # powers of the macro's position
TARGET_KEYS = ("to", "from", "at", "curve")
MACRO_PARAMETER = Parameter("macro", 0.0, summary="moves all its targets")


@dataclass(frozen=True)
class Target:
    """A parameter that a control turns.

    Parameters
    ----------
    address : str
        ``block.parameter``.
    low, high : float or None
        Its values at the control's 0 and 1; None: it gets the control's own value.
    curve : str
        One of `CURVES`: how the value goes from one to the other.
    """

    address: str
    low: float | None = None
    high: float | None = None
    curve: str = "linear"

    def value(self, position: float | str) -> float | str:
        """Return the target's value when the control is at `position`."""
        if self.low is None or self.high is None:
            return position
        return self.low + (self.high - self.low) * float(position) ** CURVES[self.curve]


@dataclass(frozen=True)
class Control:
    """A control and its targets.

    Parameters
    ----------
    block, name : str
        The two halves of its address, such as ``macro.heat`` or ``stack.drive``.
    line : int
        Its line in the set list; 0 if it has none.
    """

    block: str
    name: str
    targets: tuple[Target, ...]
    line: int = 0

    @property
    def address(self) -> str:
        """``block.name``."""
        return f"{self.block}.{self.name}"

    def parameter(self, tables: Mapping[str, Mapping[str, Parameter]]) -> Parameter:
        """Return the control's own parameter: 0 to 1 if its targets have ranges, else that of its first target.

        Parameters
        ----------
        tables : mapping
            The parameters of each block, by its id.

        Raises
        ------
        UsageError
            A target is unknown, cannot move while it plays, or a value is out of its range.
        """
        found = [_target(target, tables) for target in self.targets]
        first = found[0] if found else None
        if first is None or self.targets[0].low is not None:
            return Parameter(self.name, 0.0, summary=MACRO_PARAMETER.summary)
        kind = (first.minimum, first.maximum, first.unit, first.kind, first.choices, first.summary)
        return Parameter(self.name, first.default, *kind, first.whole, first.note)


def _target(target: Target, tables: Mapping[str, Mapping[str, Parameter]]) -> Parameter:
    block, _, name = target.address.partition(".")
    known = [f"{each}.{parameter}" for each, table in tables.items() for parameter in table]
    if block not in tables or name not in tables[block]:
        raise UsageError(f"no parameter {quoted(target.address)}{did_you_mean(target.address, known)}")
    parameter = tables[block][name]
    if parameter.kind == "structural":
        raise UsageError(f"{target.address} cannot move while it plays: choose another parameter")
    for value in (target.low, target.high):
        if value is not None:
            parameter.check(value)
    return parameter


def read_macros(reader: Reader, marked: Marked | None) -> tuple[Control, ...]:
    """Return the macros of a preset; mistakes are noted in the reader."""
    found = []
    for name, listed in ((reader.mapping(marked, "macros") if marked else None) or {}).items():
        place = f"macros.{name}"
        targets = tuple(filter(None, (read_target(reader, each, place) for each in reader.items(listed, place, TO))))
        if targets:
            found.append(Control(MACRO, name, targets, listed.line))
    return tuple(found)


TO = "targets, such as {to: amp.gain, from: 0.2, at: 0.9}"


def read_target(reader: Reader, marked: Marked, place: str) -> Target | None:
    """Return one target of a macro, or None after a mistake."""
    keys = reader.mapping(marked, place, TARGET_KEYS, ("to", "from", "at"))
    if keys is None or not {"to", "from", "at"} <= keys.keys():
        return None
    address = reader.text(keys["to"], f"{place}: to")
    numbers = []
    for key in ("from", "at"):
        value = keys[key].value
        if not isinstance(value, int | float):
            reader.wrong(keys[key], f"{place}: {key} is {value!r}, expected a number in the unit of the parameter")
            return None
        numbers.append(float(value))
    curve = keys["curve"].value if "curve" in keys else "linear"
    if curve not in CURVES:
        reader.wrong(keys["curve"], f"{place}: curve is {curve!r}, expected one of: {', '.join(CURVES)}")
        return None
    low, high = numbers
    return Target(address, low, high, str(curve)) if address else None


class Container(NamedTuple):
    """A chain with a name: its blocks, and the targets of each parameter that it exposes."""

    chain: list[Marked]
    expose: dict[str, Target]


def read_containers(reader: Reader, marked: Marked | None) -> dict[str, Container]:
    """Return the containers under ``define:``, by name."""
    found = {}
    for name, one in ((reader.mapping(marked, "define") if marked else None) or {}).items():
        container = read_container(reader, one, f"define.{name}")
        if container:
            found[name] = container
    return found


def read_container(reader: Reader, marked: Marked, place: str) -> Container | None:
    """Return one container, or None after a mistake."""
    keys = reader.mapping(marked, place, ("chain", "expose"), ("chain",))
    if keys is None or "chain" not in keys:
        return None
    expose = {}
    for name, one in ((reader.mapping(keys["expose"], f"{place}: expose") if "expose" in keys else None) or {}).items():
        if isinstance(one.value, str):
            expose[name] = Target(one.value)
        elif target := read_target(reader, one, f"{place}: expose.{name}"):
            expose[name] = target
    return Container(reader.items(keys["chain"], f"{place}: chain", "blocks, such as {type: gate}"), expose)


def expand(reader: Reader, listed: list[Marked], place: str, controls: list[Control]) -> list[Marked]:
    """Return a chain in which the blocks of its containers take the place of each ``{use: NAME}``.

    The controls that the containers expose are appended to `controls`.
    """
    result: list[Marked] = []
    for position, item in enumerate(listed):
        here = f"{place}[{position}]"
        keys = item.value if isinstance(item.value, dict) else {}
        kind = router_of(keys)
        if kind and isinstance(keys[kind].value, list):
            paths = [
                Marked(expand(reader, path.value, f"{here}.{kind}[{n}]", controls), path.line)
                if isinstance(path.value, list)
                else path
                for n, path in enumerate(keys[kind].value)
            ]
            item = Marked({**keys, kind: Marked(paths, keys[kind].line)}, item.line)
        if "use" not in keys:
            result.append(item)
            continue
        result += _used(reader, keys, item, here, controls)
    return result


def _used(
    reader: Reader, keys: Mapping[str, Marked], item: Marked, place: str, controls: list[Control]
) -> list[Marked]:
    """Return the blocks of one use of a container."""
    name = reader.text(keys["use"], f"{place}: use")
    container = reader.container(name, keys["use"], place) if name else None
    if name is None or container is None:
        return []
    given = keys.get("id")
    title = free_id(str(given.value) if given else name.rpartition("/")[2].partition(".")[0], reader.used)
    reader.used.add(title)
    for key, value in keys.items():
        if key not in ("use", "id", *container.expose):
            allowed = ("use", "id", *container.expose)
            hint = did_you_mean(key, allowed)
            reader.wrong(value, f"{place}: unknown key {quoted(key)}{hint}, allowed: {', '.join(allowed)}")
    ids: dict[str, str] = {}
    blocks = _renamed(reader, container.chain, title, ids)
    for name, target in container.expose.items():
        inner, _, parameter = target.address.partition(".")
        if inner not in ids:
            hint = did_you_mean(inner, ids)
            reader.wrong(item, f"{place}: {target.address} is no parameter in the container{hint}: {', '.join(ids)}")
            continue
        outer = Target(f"{ids[inner]}.{parameter}", target.low, target.high, target.curve)
        controls.append(Control(title, name, (outer,), item.line))
        if name in keys:
            value = keys[name]
            if target.low is not None and isinstance(value.value, int | float):
                value = Marked(outer.value(value.value), value.line)
            _insert(blocks, ids[inner], parameter, value)
    return blocks


def _renamed(reader: Reader, chain: list[Marked], title: str, ids: dict[str, str]) -> list[Marked]:
    """Return blocks whose ids, and side inputs, begin with the container's; `ids` gets the old and new ones."""
    result = []
    for item in chain:
        keys = dict(item.value) if isinstance(item.value, dict) else {"type": item}
        if "use" in keys:
            reader.wrong(item, f"container {quoted(title)}: it uses another container, expected blocks only")
            continue
        kind = router_of(keys)
        word = kind or str(keys["type"].value if "type" in keys else "")
        meant = type_and_file(word, reader.blocks)
        base = str(keys["id"].value) if "id" in keys else (meant[0] if meant and meant[1] else word)
        inner = free_id(base, ids)
        ids[inner] = f"{title}-{inner}"
        keys["id"] = Marked(ids[inner], item.line)
        if "key" in keys and keys["key"].value in ids:
            keys["key"] = Marked(ids[str(keys["key"].value)], keys["key"].line)
        listed = keys[kind].value if kind else None
        if isinstance(listed, list):
            paths = [
                Marked(_renamed(reader, path.value, title, ids), path.line) if isinstance(path.value, list) else path
                for path in listed
            ]
            keys[kind] = Marked(paths, keys[kind].line)
        result.append(Marked(keys, item.line))
    return result


def _insert(blocks: list[Marked], block: str, parameter: str, value: Marked) -> None:
    """Set a value of the block with this id, on whatever path it is."""
    for item in blocks:
        keys: dict[str, Any] = item.value  # type: ignore[assignment]
        if keys["id"].value == block:
            keys[parameter] = value
        for kind in ROUTERS:
            paths: Any = keys[kind].value if kind in keys else ()
            for path in paths:
                if isinstance(path.value, list):
                    _insert(path.value, block, parameter, value)


def container_file(reader: Reader, name: str, marked: Marked, place: str) -> Container | None:
    """Return the container in a file of its own, which holds ``chain:`` and ``expose:``; None after a mistake."""
    path = find_beside(name, reader.beside, "rig")
    if path is None:
        reader.wrong(marked, f"{place}: use: no file {quoted(name)} beside the set list")
        return None
    try:
        read = read_yaml(path)
    except PresetError as error:
        reader.wrong(marked, f"{place}: use: {error}")
        return None
    return read_container(reader, Marked(read.value, marked.line), f"{place}: {name}")
