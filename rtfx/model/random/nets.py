"""Random nets: ``random:tcn?seed=42&layers=6&...``, an untrained net as an effect, after RONN.

Layer i of ``tcn`` is a convolution of dilation ``dilation ** i``; an activation follows each but the last. With the
plugin's values the weights are those of the RONN plugin: semantics ``intended`` draws them from the `init` that was
asked for, ``as_shipped`` repeats the plugin's defect: the weights always end up kaiming_uniform, and `init` only
decides how many numbers are drawn first. The plugin's biases are not reproducible; here they are U(+-1/sqrt(fan_in))
from `seed` + 1. ``python`` is the research code: always biases, an activation after every layer, `film` to scale and
shift them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from functools import lru_cache

from ..limits import RECEPTIVE_FIELD
from ..nodes import Node
from ..spec import ModelSpec
from .level import FRAMES, calibrated
from .limits import check_cost
from .recurrent import RandomGru, RandomLstm, Recurrent, recurrent_nodes
from .settings import Tcn, canonical, parse
from .tcn import stays_silent, tcn_nodes

FAMILY = "random"
KINDS: dict[str, type] = {"tcn": Tcn, "gru": RandomGru, "lstm": RandomLstm}


def random_spec(text: str) -> ModelSpec:
    """Return the net that `text` describes, with `level_db` set so that it plays at about -18 dBFS unless it is silent.

    Parameters
    ----------
    text : str
        ``tcn?key=value&...``, also ``gru`` and ``lstm``; keys and ranges are those of `random_settings`.

    Raises
    ------
    UsageError
        An unknown kind, key or value.
    ResourceLimit
        More history or predicted load than `random_limits` allows.
    """
    settings = parse(text, KINDS)
    check_cost(settings, text.partition("?")[0].lower())
    if not isinstance(settings, Tcn):
        return calibrated(_spec(text, settings, recurrent_nodes(settings)))
    silent = stays_silent(settings)
    far = settings.receptive_field > RECEPTIVE_FIELD
    # zeros leave a silent net as it is, so that one of a very long memory need not be run through them
    spec = replace(
        _spec(text, settings, tcn_nodes(settings)), quiet_past=not silent, prewarm=0 if silent and far else "auto"
    )
    return calibrated(spec, _within(settings, FRAMES // 2))


def _spec(text: str, settings: Tcn | Recurrent, nodes: tuple[Node, ...]) -> ModelSpec:
    name = f"{FAMILY}:{text}"
    return ModelSpec(FAMILY, nodes, name, rate_source="any", kind="pedal", metadata=asdict(settings))


def _within(settings: Tcn, frames: int) -> list[int]:
    """Return the dilations for a receptive field of at most so many frames, else of as few as there can be.

    A burst that fills the net tells how loud it will be: how far its taps are apart hardly matters for noise.
    """
    while settings.receptive_field > frames and settings.dilation > 1:
        settings = replace(settings, dilation=settings.dilation - 1)
    return [settings.dilation**layer for layer in range(settings.layers)]


def check_words(text: str) -> None:
    """Raise the error that `random_spec` would, but for those that need the net itself."""
    check_cost(parse(text, KINDS), text.partition("?")[0].lower())


def kind_of(spec: ModelSpec | None) -> str:
    """Return what kind of random net a model is, "" for any other."""
    if spec is None or spec.family != FAMILY:
        return ""
    return _words(spec).partition("?")[0].lower()


def settings_of(spec: ModelSpec) -> dict[str, int | str]:
    """Return the settings of a random net; true and false as words."""
    return {key: str(v).lower() if isinstance(v, bool) else v for key, v in spec.metadata.items()}


def words_with(text: str, settings: Mapping[str, float | str]) -> str:
    """Return the words of a random net with other settings."""
    kind, _, query = text.partition("?")
    parts = [pair.partition("=")[::2] for pair in query.split("&") if pair]
    pairs = {canonical(key): value for key, value in parts} | {key: str(value) for key, value in settings.items()}
    return f"{kind}?" + "&".join(f"{key}={value}" for key, value in pairs.items())


def changed_words(spec: ModelSpec, values: Mapping[str, float | str]) -> str:
    """Return the words of a random net whose settings are those among `values`, "" if it is that net.

    Raises
    ------
    UsageError
        Settings that do not go together.
    ResourceLimit
        As `random_spec`.
    """
    said = settings_of(spec)
    changed = {key: values[key] for key in said if key in values and values[key] != said[key]}
    if not changed:
        return ""
    text = words_with(_words(spec), changed)
    check_words(text)
    return text


def redrawn(spec: ModelSpec, values: Mapping[str, float | str]) -> ModelSpec:
    """Return the random net whose settings are those among `values`: `spec` itself if they are its own."""
    text = changed_words(spec, values)
    return _drawn(text) if text else spec


@lru_cache(maxsize=2)
def _drawn(text: str) -> ModelSpec:
    return random_spec(text)


def _words(spec: ModelSpec) -> str:
    return spec.name.removeprefix(f"{FAMILY}:")
