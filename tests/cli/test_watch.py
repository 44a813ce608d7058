"""``rtfx play --watch`` prints which edits it applied and which it did not."""

import os
import signal
import subprocess

from .command import start

LIST = "version: 1\npresets: [{{name: edge, chain: [{{type: gain, {}: -6}}]}}]\n"


def test_edits_are_told(tmp_path):
    path = tmp_path / "set.yaml"
    path.write_text(LIST.format("gain_db"))
    flags = ("--device", "null", "--watch", "--headless", "-r", 48000, "--seconds", 60)
    with start("play", path, *flags, stderr=subprocess.PIPE, text=True) as player:
        assert player.stderr is not None
        lines = []
        for word, text in (("preset 1", "gain_bd"), ("not reloaded", "gain_db"), ("reloaded edge", "")):
            while not any(word in line for line in lines):
                lines.append(player.stderr.readline())
                assert lines[-1], lines
            if text:
                path.with_suffix(".new").write_text(LIST.format(text).replace("-6", "-9"))
                os.replace(path.with_suffix(".new"), path)
        player.send_signal(signal.SIGINT)
        lines += player.stderr.readlines()
        assert player.wait(30) == 0, lines
    assert any("did you mean 'gain_db'" in line for line in lines)
    assert not any("Traceback" in line for line in lines)
