"""Activations, convolutions and layer arrays of NAM files, for `reference_nam`: from the equations, in float64."""

import numpy as np

FILMS = (
    "conv_pre_film",
    "conv_post_film",
    "input_mixin_pre_film",
    "input_mixin_post_film",
    "activation_pre_film",
    "activation_post_film",
    "layer1x1_post_film",
    "head1x1_post_film",
)


def sigmoid(x):
    return 1.0 / (1.0 + np.exp(-x))


def fast_tanh(x):
    q = np.abs(x)
    top = x * (2.45550750702956 * (1 + q) + (0.893229853513558 + 0.821226666969744 * q) * x**2)
    return top / (2.44506634652299 + (2.44506634652299 + x**2) * np.abs(x + 0.814642734961073 * x * q))


def activation(spec):
    """Return the function that a name or an object describes."""
    spec = {"type": spec} if isinstance(spec, str) else spec
    name = spec["type"]
    if name == "PReLU":
        slopes = spec.get("negative_slopes", spec.get("negative_slope", 0.01))
        return lambda x: np.where(x > 0, x, x * np.asarray(slopes))
    if name == "LeakyReLU":
        return lambda x: np.where(x > 0, x, x * spec.get("negative_slope", 0.01))
    if name in ("LeakyHardtanh", "LeakyHardTanh"):
        low, high = spec.get("min_val", -1.0), spec.get("max_val", 1.0)
        below, above = spec.get("min_slope", 0.01), spec.get("max_slope", 0.01)
        return lambda x: np.where(x < low, (x - low) * below + low, np.where(x > high, (x - high) * above + high, x))
    return {
        "Tanh": np.tanh,
        "Hardtanh": lambda x: np.minimum(np.maximum(x, -1), 1),
        "Fasttanh": fast_tanh,
        "ReLU": lambda x: x * (x > 0),
        "Sigmoid": sigmoid,
        "SiLU": lambda x: x * sigmoid(x),
        "Hardswish": lambda x: x * np.minimum(np.maximum(x + 3, 0), 6) / 6,
        "Softsign": lambda x: x / (1 + np.abs(x)),
    }[name]


def convolve(x, weight, bias=None, dilation=1):
    """Causal: weight (out, in/groups, taps), tap 0 the oldest; the groups follow from the widths."""
    outputs, per_group, taps = weight.shape
    groups = x.shape[1] // per_group
    y = np.zeros((len(x), outputs)) if bias is None else np.tile(bias, (len(x), 1))
    for k in range(taps):
        delay = (taps - 1 - k) * dilation
        late = np.zeros_like(x)
        late[delay:] = x[: max(len(x) - delay, 0)]
        for o in range(outputs):
            first = o // (outputs // groups) * per_group
            y[:, o] += late[:, first : first + per_group] @ weight[o, :, k]
    return y


def each(value, count):
    return value if isinstance(value, list) else [value] * count


def film_options(layer_array, name):
    """Return (shift, groups) of an active FiLM, else None."""
    entry = layer_array.get(name)
    if not isinstance(entry, dict) or not entry.get("active", True):
        return None
    return entry.get("shift", True), entry.get("groups", 1)


class LayerArray:
    """One layer array with its full-size weights off the tape; `slim` cuts them down afterwards."""

    def __init__(self, config, tape):
        self.config = config
        c, cond = config["channels"], config["condition_size"]
        self.bottleneck = b = config.get("bottleneck", c)
        count = len(config["dilations"])
        self.taps = each(config["kernel_sizes"] if "kernel_sizes" in config else config["kernel_size"], count)
        self.acts = each(config["activation"], count)
        if "gating_mode" in config:
            self.gates = each(config["gating_mode"], count)
            self.seconds = each(config.get("secondary_activation", "Sigmoid"), count)
        else:
            self.gates = ["gated" if config.get("gated") else "none"] * count
            self.seconds = ["Sigmoid"] * count
        inner = config.get("layer1x1") or {}
        outer = config.get("head1x1") or {}
        self.inner, self.outer = inner.get("active", True), outer.get("active", False)
        self.rechannel = tape.take(c, config["input_size"], 1)
        self.layers = []
        for k, gate in zip(self.taps, self.gates, strict=True):
            m = b if gate == "none" else 2 * b
            w = {"conv": (tape.take(m, c // config.get("groups_input", 1), k), tape.take(m))}
            w["mixin"] = tape.take(m, cond // config.get("groups_input_mixin", 1), 1)
            if self.inner:
                w["inner"] = (tape.take(c, b // inner.get("groups", 1), 1), tape.take(c))
            if self.outer:
                n = outer["out_channels"]
                w["outer"] = (tape.take(n, b // outer.get("groups", 1), 1), tape.take(n))
            widths = (c, m, cond, m, m, b, c, outer.get("out_channels"))
            for name, width in zip(FILMS, widths, strict=True):
                options = film_options(config, name)
                if options:
                    n = (2 if options[0] else 1) * width
                    w[name] = (tape.take(n, cond // options[1], 1), tape.take(n))
            self.layers.append(w)
        head = config.get("head") or {"out_channels": config.get("head_size"), "bias": config.get("head_bias")}
        self.head_taps, self.head_dilation = head.get("kernel_size", 1), head.get("head_dilation", 1)
        width = outer["out_channels"] if self.outer else b
        self.head = tape.take(head["out_channels"], width, self.head_taps)
        self.head_bias = tape.take(head["out_channels"]) if head["bias"] else None

    @property
    def lookback(self):
        layers = sum((k - 1) * d for k, d in zip(self.taps, self.config["dilations"], strict=True))
        return layers + (self.head_taps - 1) * self.head_dilation

    def slim(self, inputs, channels, outputs):
        """Keep the leading rows and columns of every tensor."""
        b = max(1, self.bottleneck * channels // self.config["channels"]) if self.inner else channels
        self.bottleneck = b
        self.rechannel = self.rechannel[:channels, :inputs]
        for w, gate in zip(self.layers, self.gates, strict=True):
            m = b if gate == "none" else 2 * b
            w["conv"] = w["conv"][0][:m, :channels], w["conv"][1][:m]
            w["mixin"] = w["mixin"][:m]
            if self.inner:
                w["inner"] = w["inner"][0][:channels, :b], w["inner"][1][:channels]
            if self.outer:
                w["outer"] = w["outer"][0][:, :b], w["outer"][1]
            for name, width in (
                ("conv_pre_film", channels),
                ("conv_post_film", m),
                ("input_mixin_post_film", m),
                ("activation_pre_film", m),
                ("activation_post_film", b),
                ("layer1x1_post_film", channels),
            ):
                if name in w:
                    n = (2 if film_options(self.config, name)[0] else 1) * width
                    w[name] = w[name][0][:n], w[name][1][:n]
        self.head = self.head[:outputs, : self.head.shape[1] if self.outer else b]
        self.head_bias = None if self.head_bias is None else self.head_bias[:outputs]

    def run(self, u, total, c, old):
        """Return the last layer's output and the head's."""
        v, b = convolve(u, self.rechannel), self.bottleneck
        for i, w in enumerate(self.layers):

            def film(name, x, w=w):
                if name not in w:
                    return x
                y = convolve(c, *w[name])
                n = x.shape[1]
                return x * y[:, :n] + (y[:, n:] if film_options(self.config, name)[0] else 0.0)

            a = film("conv_post_film", convolve(film("conv_pre_film", v), *w["conv"], self.config["dilations"][i]))
            m = film("input_mixin_post_film", convolve(film("input_mixin_pre_film", c), w["mixin"]))
            z = film("activation_pre_film", a + m)
            act = activation(self.acts[i])
            if self.gates[i] == "none":
                p = act(z)
            else:
                g = activation(self.seconds[i])(z[:, b:])
                p = g * act(z[:, :b]) + (0.0 if self.gates[i] == "gated" else (1 - g) * z[:, :b])
            p = film("activation_post_film", p)
            skip = film("head1x1_post_film", convolve(p, *w["outer"])) if self.outer else p
            total = total + skip
            if self.inner:
                y = convolve(p, *w["inner"])
                v = v + (y if old and self.gates[i] != "blended" else film("layer1x1_post_film", y))
        return v, convolve(total, self.head, self.head_bias, self.head_dilation)
