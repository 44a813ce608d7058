"""Ways to break rtfx in rtfx/kernels."""

from .breakage import Breakage

BREAKAGES = [
    Breakage(
        "gates of the GRU swapped",
        "rtfx/kernels/recurrent.py",
        "ORDERS = ((0, 2, 1, 3), (0, 1, 2))",
        "ORDERS = ((0, 2, 1, 3), (1, 0, 2))",
        "tests/kernels/test_recurrent.py::test_every_size[8-rational-gru]",
        same_code=True,
    ),
    Breakage(
        "rows of the biases swapped",
        "rtfx/kernels/recurrent.py",
        "bias_in, bias_hidden = ordered(b_ih).T * factors, ordered(b_hh).T",
        "bias_hidden, bias_in = ordered(b_ih).T * factors, ordered(b_hh).T",
        "tests/kernels/test_recurrent.py::test_every_size[9-exponential-gru]",
        same_code=True,
    ),
    Breakage(
        "layers in series that look for the past of the second one by the stride of the first",
        "rtfx/kernels/series_tile.py",
        "b.store(self.out_stride, stride)",
        "b.store(self.in_stride, stride)",
        "tests/kernels/test_series.py::test_every_cut_gives_the_equations_and_the_same_bits[folded-head-narrow]",
    ),
    Breakage(
        "a hidden state that memory has in one place only",
        "rtfx/kernels/cell.py",
        "self.e.store(h, self.stored_h, tile.first)",
        "self.e.store(h, self.stored_h, 0)",
        "tests/kernels/test_recurrent.py::test_every_size[20-rational-lstm]",
    ),
    Breakage(
        "a state one frame too young",
        "rtfx/kernels/cell_delay.py",
        "self.b.add(self.first, self.e.index(k))",
        "self.b.add(self.first, self.e.index(k - 1))",
        "tests/plan/test_rates.py::test_whole_multiples_are_interleaved_copies_bit_for_bit[gru-2]",
    ),
    Breakage(
        "a cubic that looks beside its middle where it need not",
        "rtfx/kernels/delay.py",
        "first = max(whole - 1, 1)",
        "first = whole",
        "tests/plan/test_rates.py::test_kernels_agree_with_the_reference[lstm-2.1768707482993195]",
        same_code=True,
    ),
    Breakage(
        "history off by one",
        "rtfx/kernels/conv.py",
        "age = b.mul(dilation, b.sub(e.index(shape.taps - 1), tap))",
        "age = b.mul(dilation, b.sub(e.index(shape.taps), tap))",
        "tests/kernels/test_conv.py::test_blocks_do_not_matter",
    ),
    Breakage(
        "a coefficient of tanh wrong in the fifth digit",
        "rtfx/kernels/activations.py",
        "0.24022351205348969",
        "0.24025351205348969",
        "tests/kernels/test_activations.py::test_tanh_absolute_error",
    ),
    Breakage(
        "NaN swallowed by a clamp",
        "rtfx/kernels/simd.py",
        'return self.b.select(self.b.fcmp_ordered("<", bound, x), bound, x)',
        'return self.b.select(self.b.fcmp_ordered("<", x, bound), x, bound)',
        "tests/kernels/test_activations.py::test_nan_passes",
    ),
    Breakage(
        "the upper layer of a stack a sample too early",
        "rtfx/kernels/stack.py",
        "                layers_at(0, t + 1, e.index(t))",
        "                layers_at(0, layers, e.index(t))",
        "tests/kernels/test_stack.py::test_blocks_shorter_than_the_stack_is_deep[lstm]",
    ),
    Breakage(
        "a helper process that outlives who it helps",
        "rtfx/kernels/helper.py",
        "        os._exit(0)",
        "        pass",
        "tests/kernels/test_crew.py::test_no_helper_is_left_behind[SIGKILL-idle]",
    ),
    Breakage(
        "NaN from the device let through",
        "rtfx/kernels/rows.py",
        "if operation == SCALE:\n                value = _finite(",
        "if operation == SCALE:\n                value = (lambda e, value: value)(",
        "tests/engine/test_guard.py::test_bad_input_is_silence",
    ),
]
