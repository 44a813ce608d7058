"""Random nets: ``random:tcn?seed=42&layers=6&...``, an untrained net as an effect, after RONN.

Layer i of ``tcn`` is a convolution of dilation ``dilation ** i``; an activation follows each but the last. With the
plugin's values the weights are those of the RONN plugin: semantics ``intended`` draws them from the `init` that was
asked for, ``as_shipped`` repeats the plugin's defect: the weights always end up kaiming_uniform, and `init` only
decides how many numbers are drawn first. The plugin's biases are not reproducible; here they are U(+-1/sqrt(fan_in))
from `seed` + 1. ``python`` is the research code: always biases, an activation after every layer, `film` to scale and
shift them.
"""

from __future__ import annotations

from dataclasses import asdict

from .limits import RECEPTIVE_FIELD, at_most
from .random_level import calibrated
from .random_settings import RANGES, Tcn, canonical, parse
from .random_tcn import stays_silent, tcn_nodes
from .spec import ModelSpec

KINDS: dict[str, type] = {"tcn": Tcn}


def random_spec(text: str) -> ModelSpec:
    """Return the net that `text` describes, with `level_db` set so that it plays at about -18 dBFS unless it is silent.

    Parameters
    ----------
    text : str
        ``tcn?key=value&...``; keys, defaults and ranges are those of `random_settings`.

    Raises
    ------
    UsageError
        An unknown kind, key or value, or a net whose output explodes.
    ResourceLimit
        A receptive field beyond `limits.RECEPTIVE_FIELD`.
    """
    settings = parse(text, KINDS)
    at_most(settings.receptive_field, RECEPTIVE_FIELD, "receptive field of the random net in frames")
    spec = ModelSpec(
        family="random",
        nodes=tcn_nodes(settings),
        name=f"random:{text}",
        rate_source="any",
        kind="pedal",
        quiet_past=not stays_silent(settings),
        metadata=asdict(settings),
    )
    return calibrated(spec)


def with_seed(text: str, step: int) -> str:
    """Return the words of a random net with the seed that is so many on, after the last the first."""
    kind, _, query = text.partition("?")
    parts = [pair.partition("=")[::2] for pair in query.split("&") if pair]
    pairs = {canonical(key): value for key, value in parts}
    low, high = RANGES["seed"]
    pairs["seed"] = str(low + (int(pairs.get("seed", Tcn.seed)) + step - low) % (high - low + 1))
    return f"{kind}?" + "&".join(f"{key}={value}" for key, value in pairs.items())
