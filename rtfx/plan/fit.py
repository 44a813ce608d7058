"""A block fitted to the stream's rate: how its model runs there, and the line that tells the user."""

from __future__ import annotations

from dataclasses import replace

from .block import ReadyBlock
from .rates import choose_method, stretched


def fitted(block: ReadyBlock, sample_rate: float, wanted: str = "auto") -> tuple[ReadyBlock, list[str]]:
    """Return the block with its model as it runs in a stream of `sample_rate` Hz, and what the user should know.

    Parameters
    ----------
    wanted : str
        One of `rates.METHODS`.

    Raises
    ------
    UsageError
        The method asked for does not fit the model.
    """
    spec = block.spec or block.net
    if spec is None or not spec.sample_rate:
        return block, []
    choice = choose_method(spec, sample_rate, wanted)
    if choice.method == "none":
        return block, []
    factor = sample_rate / spec.sample_rate
    made_for = f"{block.id}: the model was made for {spec.sample_rate:g} Hz"
    if choice.method == "resample":
        block = replace(block, model_rate=spec.sample_rate)
        conversion = block.conversion(sample_rate)
        if conversion is None:  # the net of a block that plays its circuit
            return block, []
        why = f" ({choice.why})" if choice.why else ""
        return block, [
            f"{made_for} and is resampled from and to {sample_rate:g} Hz{why}, which adds "
            f"{1000.0 * conversion.latency / sample_rate:.2g} ms: -r {spec.sample_rate:g} opens the device at the "
            "model's rate"
        ]
    how = (
        f"its state comes from {factor:.4g} frames ago" if choice.method == "delay" else "its dilations are multiplied"
    )
    slower = stretched(spec, factor)
    block = replace(block, spec=slower) if block.spec else replace(block, net=slower)
    block = replace(block, period_rate=spec.sample_rate)
    return block, [f"{made_for}; at {sample_rate:g} Hz {how} ({choice.method}), which adds no latency"]
