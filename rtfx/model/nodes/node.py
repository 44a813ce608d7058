"""The base class of all nodes: sources, width, shape checks, past frames, equation and JSON form."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np

from ...errors import MissingKey, NonFiniteWeights, NotAModelFile, ShapeMismatch, did_you_mean
from ..values import RECEPTIVE_FIELD, WIDTH, at_most, integer, listed, number, shown, string
from ..values import tensor as tensor_of

READ = "read"  # key of a field's metadata: the function that reads it from JSON; a field without one is in no file
AXES = "axes"  # key of a tensor's metadata: its number of axes


@dataclasses.dataclass(frozen=True, eq=False)
class Node:
    """One node of a graph.

    Parameters
    ----------
    sources : tuple of int
        Indices of earlier nodes in the graph's list.
    """

    sources: tuple[int, ...]

    joins: ClassVar[bool] = False  # takes any number of sources; else exactly one

    @classmethod
    def op(cls) -> str:
        """Return the name of the kind in files."""
        return cls.__name__.lower()

    @property
    def width(self) -> int:
        """Features of the output if the node's own fields fix the number; 0 if it depends on the sources."""
        return 0

    def width_after(self, incoming: Sequence[int]) -> int:
        """Return the features of the output, given those of the sources."""
        return self.width or incoming[0]

    @property
    def tensors(self) -> dict[str, np.ndarray]:
        """The node's arrays by field name."""
        return {name: value for name, value in vars(self).items() if isinstance(value, np.ndarray)}

    @property
    def macs(self) -> int:
        """Multiply-adds per frame; biases and activations are not counted."""
        return sum(tensor.size for name, tensor in self.tensors.items() if name.startswith("weight"))

    @property
    def history(self) -> int:
        """Past frames that the output reads; the state of a recurrent node is not counted."""
        return 0

    def shapes(self, incoming: Sequence[int]) -> dict[str, tuple[int, ...]]:
        """Return the shape that each tensor must have, given the widths of the sources."""
        return {}

    def check(self, incoming: Sequence[int], where: str) -> None:
        """Raise unless the node is valid for sources with these numbers of features.

        Raises
        ------
        ModelError
            ShapeMismatch, NonFiniteWeights or UnsupportedArchitecture; `where` names the node in the message.
        """
        if len(incoming) > 1 and not self.joins:
            raise ShapeMismatch(f"{where} has {len(incoming)} sources, expected 1")
        axes = {field.name: field.metadata.get(AXES) for field in dataclasses.fields(self)}
        for name, value in self.tensors.items():
            if value.ndim != axes[name] or not value.size:
                raise ShapeMismatch(f"{where}: {name} has shape {value.shape}, expected {axes[name]} axes, none empty")
            if not np.isfinite(value).all():
                raise NonFiniteWeights(f"{where}: {name} holds NaN or infinity: re-export the model")
        for name, expected in self.shapes(incoming).items():
            found = getattr(self, name).shape
            if found != expected:
                raise ShapeMismatch(f"{where}: {name} has shape {found}, expected {expected}")

    def evaluate(self, sources: list[np.ndarray]) -> np.ndarray:
        """Return the output ``(features, frames)`` for sources ``(features, frames)``, in their precision.

        Frames before the first are zeros; states begin with the values stored in the file, else with zeros.
        """
        raise NotImplementedError(f"{type(self).__name__} has no equation")

    def settled(self, sources: list[np.ndarray]) -> np.ndarray:
        """Return the output ``(features, 1)`` for sources that have always had these values ``(features, 1)``."""
        return self.evaluate(sources)

    def evaluate_settled(self, sources: list[np.ndarray], before: list[np.ndarray]) -> np.ndarray:
        """Return the output as `evaluate` does, for sources that had the values `before` until the first frame."""
        return self.evaluate(sources)

    def stretched(self, factor: float) -> Node:
        """Return the node that has the same effect at `factor` times the sample rate of this one."""
        return self

    def to_json(self) -> dict[str, Any]:
        """Return the node as an object of rtfx JSON; fields that are None are left out."""
        entry: dict[str, Any] = {"op": self.op()}
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if field.name == "sources":
                if value:
                    entry["sources"] = value
            elif READ in field.metadata and value is not None:
                entry[field.name] = value.tolist() if isinstance(value, np.ndarray) else value
        return entry

    @classmethod
    def from_json(cls, entry: dict[str, Any], where: str) -> Node:
        """Return the node that an object of rtfx JSON states.

        Raises
        ------
        ModelError
            An unknown or a missing key, a value of a wrong type; `where` is its place in the file.
        """
        fields = {field.name: field for field in dataclasses.fields(cls) if READ in field.metadata}
        for key in entry:
            if key not in ("op", "sources", *fields):
                hint = did_you_mean(key[:60], ("op", "sources", *fields))
                raise NotAModelFile(f"{where} ({cls.op()}) has an unknown key {shown(key)}{hint}")
        sources = listed(entry.get("sources", []), f"{where}.sources")
        values: dict[str, Any] = {
            "sources": tuple(integer(each, f"{where}.sources[{i}]", minimum=0) for i, each in enumerate(sources))
        }
        for name, field in fields.items():
            if name in entry:
                values[name] = field.metadata[READ](entry[name], f"{where}.{name}")
            elif field.default is dataclasses.MISSING:
                raise MissingKey(f"{where} ({cls.op()}) has no key {name!r}")
        return cls(**values)


def stated(read: Callable[[Any, str], Any], default: Any = dataclasses.MISSING, **metadata: Any) -> Any:
    """Return a field that is stored in files; `read` converts its JSON to a value or raises ModelError."""
    return dataclasses.field(default=default, metadata={READ: read, **metadata})


def tensor(axes: int, default: Any = dataclasses.MISSING) -> Any:
    """Return a field that holds an array with this many axes."""
    return stated(lambda value, where: tensor_of(value, where, axes=axes), default, axes=axes)


def count(default: Any = dataclasses.MISSING, limit: int = RECEPTIVE_FIELD) -> Any:
    """Return a field that holds an integer from 1 to `limit`."""
    return stated(lambda value, where: at_most(integer(value, where), limit, where), default)


def features(default: Any = dataclasses.MISSING) -> Any:
    """Return a field that holds a number of features."""
    return count(default, limit=WIDTH)


def place(default: Any = dataclasses.MISSING) -> Any:
    """Return a field that holds an index counted from 0; `Node.check` checks its upper limit."""
    return stated(lambda value, where: integer(value, where, minimum=0), default)


def real(default: Any = dataclasses.MISSING) -> Any:
    """Return a field that holds a number."""
    return stated(number, default)


def text(default: Any = dataclasses.MISSING) -> Any:
    """Return a field that holds a string."""
    return stated(string, default)
