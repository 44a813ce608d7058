"""Ways to break rtfx in rtfx/model."""

from .breakage import Breakage

BREAKAGES = [
    Breakage(
        "a layer of Keras that is called twice read as if once",
        "    return str(layer), int(call)",
        "    return str(layer), 0",
        "tests/model/test_keras_file.py::test_a_layer_called_twice_numbers_and_differences",
        same_code=True,
    ),
    Breakage(
        "numbers in strings not read",
        'return int(value) if value.strip().lstrip("+-").isdigit() else float(value)',
        "return value",
        "tests/model/test_spellings.py::test_numbers_as_strings",
        same_code=True,
    ),
    Breakage(
        "gates of a GRU left in PyTorch's order when written",
        "return np.concatenate([z, r, n])",
        "return np.concatenate([r, z, n])",
        "tests/model/test_write.py::test_rtneural_files_by_the_second_evaluator[gru]",
        same_code=True,
    ),
    Breakage(
        "the bias of a WaveNet's first layer lost when written",
        "bias = layer.conv.bias + weight.sum(axis=2) @ entrance.bias",
        "bias = 1.0 * layer.conv.bias",
        "tests/model/test_write.py::test_wavenets_of_another_family_as_nam_by_the_second_evaluator[tanh]",
        same_code=True,
    ),
    Breakage(
        "weights filled into a NAM file one place late",
        "index = numbers.astype(np.int64) - 1",
        "index = numbers.astype(np.int64)",
        "tests/model/test_write.py::test_every_family_in_every_format_that_has_a_place_for_it[nam-head1x1_post_film]",
        same_code=True,
    ),
    Breakage(
        "the smaller sizes of a net written as the largest",
        '"model": document(inner)[0]}',
        '"model": document(spec.at_size(1.0))[0]}',
        "tests/model/test_write.py::test_every_size_of_a_net_that_was_no_nam_file_is_written",
        same_code=True,
    ),
    Breakage(
        "a random net beyond all memory",
        "    settings = parse(text, KINDS)\n    check_cost(settings, ",
        "    settings = parse(text, KINDS)\n    str(",
        "tests/model/test_random_cost.py::test_refused_with_both_figures_and_a_setting_that_fits",
        same_code=True,
    ),
    Breakage(
        "a level found before the net's memory is full",
        "return calibrated(spec, _within(settings, FRAMES // 2))",
        "return calibrated(spec)",
        "tests/model/test_random_cost.py::test_the_level_holds_once_a_long_memory_is_full",
        same_code=True,
    ),
    Breakage(
        "a random net with biases that starts cold from zero states",
        "quiet_past=not silent",
        "quiet_past=False",
        "tests/model/test_random.py::test_a_cold_net_has_heard_silence",
        same_code=True,
    ),
    Breakage(
        "the same seed once more",
        " | {key: str(value) for key, value in settings.items()}",
        "",
        "tests/live/test_reseed.py::test_words_with_other_settings",
        same_code=True,
    ),
    Breakage(
        "the shift of a convolution's padding lost",
        "shift = x.shift + (lookback - before) * x.period",
        "shift = x.shift + lookback * x.period",
        "tests/model/test_pt2.py::test_stored_exports[gated]",
        same_code=True,
    ),
]
