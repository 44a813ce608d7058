"""Ways to break rtfx in rtfx/batch."""

from .breakage import Breakage

BREAKAGES = [
    Breakage(
        "pieces of a long file that look back too little",
        "        before = whole[max(len(whole) - history, 0) :]",
        "        before = whole[max(len(whole) - history // 2, 0) :]",
        "tests/batch/test_batch.py::test_pieces_are_the_whole_bit_for_bit[more0]",
        same_code=True,
    ),
    Breakage(
        "outputs of other settings taken for finished",
        '            "settings": self._settings(job),',
        '            "settings": "",',
        "tests/batch/test_batch.py::test_finished_files_are_skipped_and_the_others_are_not",
        same_code=True,
    ),
]
