"""Ways to break rtfx in rtfx/kernels."""

from .breakage import Breakage

BREAKAGES = [
    Breakage(
        "gates of the GRU swapped",
        "ORDERS = ((0, 2, 1, 3), (0, 1, 2))",
        "ORDERS = ((0, 2, 1, 3), (1, 0, 2))",
        "tests/kernels/test_recurrent.py::test_every_size[8-rational-gru]",
        same_code=True,
    ),
    Breakage(
        "rows of the biases swapped",
        "bias_in, bias_hidden = ordered(b_ih).T * factors, ordered(b_hh).T",
        "bias_hidden, bias_in = ordered(b_ih).T * factors, ordered(b_hh).T",
        "tests/kernels/test_recurrent.py::test_every_size[9-exponential-gru]",
        same_code=True,
    ),
    Breakage(
        "layers in series that look for the past of the second one by the stride of the first",
        "b.store(self.out_stride, stride)",
        "b.store(self.in_stride, stride)",
        "tests/kernels/test_series.py::test_every_cut_gives_the_equations_and_the_same_bits[folded-head-narrow]",
    ),
    Breakage(
        "a hidden state that memory has in one place only",
        "self.e.store(h, self.stored_h, tile.first)",
        "self.e.store(h, self.stored_h, 0)",
        "tests/kernels/test_recurrent.py::test_every_size[20-rational-lstm]",
    ),
    Breakage(
        "a state one frame too young",
        "self.b.add(self.first, self.e.index(k))",
        "self.b.add(self.first, self.e.index(k - 1))",
        "tests/plan/test_rates.py::test_whole_multiples_are_interleaved_copies_bit_for_bit[gru-2]",
    ),
    Breakage(
        "a cubic that looks beside its middle where it need not",
        "first = max(whole - 1, 1)",
        "first = whole",
        "tests/plan/test_rates.py::test_kernels_agree_with_the_reference[lstm-2.1768707482993195]",
        same_code=True,
    ),
    Breakage(
        "frames behind the wide tiles left out",
        "        done = end",
        "        done = frames",
        "tests/kernels/test_conv.py::test_blocks_do_not_matter",
    ),
    Breakage(
        "history off by one",
        "age = b.mul(dilation, b.sub(e.index(shape.taps - 1), tap))\n                    with",
        "age = b.mul(dilation, b.sub(e.index(shape.taps), tap))\n                    with",
        "tests/kernels/test_conv.py::test_blocks_do_not_matter",
    ),
    Breakage(
        "a coefficient of tanh wrong in the fifth digit",
        "0.24022649795",
        "0.24025649795",
        "tests/kernels/test_activations.py::test_tanh_error",
    ),
    Breakage(
        "NaN swallowed by a clamp",
        'return self.b.select(self.b.fcmp_ordered("<", bound, x), bound, x)',
        'return self.b.select(self.b.fcmp_ordered("<", x, bound), x, bound)',
        "tests/kernels/test_activations.py::test_nan_passes",
    ),
    Breakage(
        "the upper layer of a stack a sample too early",
        "                layers_at(0, t + 1, e.index(t))",
        "                layers_at(0, layers, e.index(t))",
        "tests/kernels/test_stack.py::test_blocks_shorter_than_the_stack_is_deep[lstm]",
    ),
    Breakage(
        "a helper process that outlives who it helps",
        "        os._exit(0)",
        "        pass",
        "tests/kernels/test_compile_workers.py::test_no_helper_is_left_behind[SIGKILL-idle]",
    ),
    Breakage(
        "NaN from the device let through",
        "                value = b.select(sound, value, e.const(0.0, lanes_now))\n",
        "",
        "tests/engine/test_guard.py::test_bad_input_is_silence",
    ),
]
