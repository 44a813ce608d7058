"""The command ``rtfx``: runs a verb, and turns every error into one line and an exit code.

Exit codes: 0 success, 1 failure, 2 wrong usage, 143 after SIGTERM. After Ctrl-C the process ends itself by SIGINT,
which a shell reports as 130.
A traceback is printed only with ``--debug``.
"""

from __future__ import annotations

import errno
import importlib
import io
import os
import signal
import sys
from collections.abc import Sequence

import click

from .. import __version__
from ..errors import RtfxError, advisers, did_you_mean, harmless, one_line
from .output import status
from .signals import TERMINATED, Terminated, listen

# verb -> one line of help; the module of the same name in this folder is imported only when the verb is used
VERBS = {
    "devices": "List sound devices.",
    "play": "Play a model or a set list, live.",
    "midi": "List MIDI devices, and print what arrives from them.",
    "send": "Send a command to the player that runs.",
    "render": "Render audio files through a model or a set list.",
    "info": "Show what a model file contains, or list the blocks of a chain.",
    "verify": "Compare the compiled model with a float64 reference.",
    "analyze": "Measure what a model or a rig does to test signals.",
    "check": "Find what could go wrong with a set list on stage.",
    "list": "List the models, responses and set lists that can be named.",
    "pack": "Put a set list and its files into one file.",
    "match": "Make all presets of a set list equally loud.",
    "bench": "Time models through the engine.",
    "tune": "Measure which kernels are fastest on this machine, and use them.",
    "train": "Learn a pedal or an amp from a recording of it.",
    "random": "Print a set list that plays a random net.",
    "convert": "Write a model in another format, and compare the two.",
    "tuner": "Tell how far off a string is.",
    "latency": "Measure the round trip through the sound card.",
}
EXAMPLES = """\b
Examples:
  rtfx play klon.json
  rtfx play --model amp.json -p drive=0.7 --device Scarlett --in-channel 2
  rtfx render --model klon.json dry.wav wet.wav
"""
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
INTERRUPTED = 128 + 2
SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


class Verbs(click.Group):
    """A group whose commands are imported on first use: ``rtfx --help`` imports none of them."""

    def list_commands(self, context: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in VERBS:
            return None
        return importlib.import_module(f".{name}", __package__).command

    def resolve_command(self, context: click.Context, arguments: list[str]):
        name = arguments[0]
        if name not in VERBS and not name.startswith("-"):
            known = ", ".join(VERBS)
            raise click.UsageError(f"no command {name!r}{did_you_mean(name, VERBS)}, expected one of: {known}")
        return super().resolve_command(context, arguments)

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))


@click.group(cls=Verbs, epilog=EXAMPLES, context_settings=SETTINGS)
@click.version_option(__version__, prog_name="rtfx")
@click.option("--debug", is_flag=True, expose_value=False, help="Print the traceback of an error.")
def group() -> None:
    """Play a guitar through neural amps and pedals, live."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command and exit."""
    listen()
    _open_closed()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # characters that it cannot encode are escaped
            stream.reconfigure(errors="backslashreplace")
    code = run(list(sys.argv[1:] if arguments is None else arguments))
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except BrokenPipeError:
        code = _reader_gone()
    except OSError:  # the output was not written
        code = code or 1
    if code == INTERRUPTED and os.name == "posix":  # end by SIGINT, so that a loop in a shell ends too
        os.kill(os.getpid(), signal.SIGINT)
    # Python's own exit takes half a second with Numba loaded; PortAudio's may wait for a sound server, or abort
    os._exit(code)


def _open_closed() -> None:
    """Open standard streams that were closed (``>&-``) on the null device: Python has None for them."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # open() takes the lowest free descriptor: the stream's


def run(arguments: list[str]) -> int:
    """Run the command and return its exit code; errors are printed on standard error."""
    debug = "--debug" in arguments
    advisers[:] = [status]
    try:
        result = group.main(arguments, prog_name="rtfx", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.ctx.get_help() if error.ctx else "", err=True)
        return 2
    except click.exceptions.Exit as error:
        return error.exit_code
    except click.ClickException as error:
        return _fail(_words(error), error.exit_code, debug)
    except RtfxError as error:
        return _fail(str(error), error.exit_code, debug)
    except Terminated:
        return _fail("terminated", TERMINATED, debug)
    except (KeyboardInterrupt, click.Abort) as error:
        if isinstance(error, click.Abort) and isinstance(error.__cause__, EOFError):
            return _fail("an answer was expected, and standard input has ended", 1, debug)
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        return _fail("interrupted", INTERRUPTED, debug)
    except BrokenPipeError:
        return _reader_gone()
    except Exception as error:
        if isinstance(error, OSError) and error.errno in FULL:
            return _fail(f"nothing more can be written ({error.strerror}): make room on the disk", 1, debug)
        where = f"{type(error).__name__}: {error}".strip(": ")
        return _fail(f"internal error, please report it ({where}): run again with --debug for details", 1, debug)
    return result if isinstance(result, int) else 0


def _fail(message: str, code: int, debug: bool) -> int:
    """Print one line, with the traceback in debug mode, and return `code`."""
    if debug:
        import traceback

        traceback.print_exc()
    click.echo(f"rtfx: {one_line(harmless(message))}", err=True)
    return code


def _words(error: click.ClickException) -> str:
    """Return click's message in lower case, with a pointer to the help page."""
    if isinstance(error, click.NoSuchOption):
        context = error.ctx
        options = [o for p in context.command.get_params(context) for o in p.opts] if context else []
        known = [option[2:] for option in options if option.startswith("--")]
        hint = did_you_mean(error.option_name.lstrip("-"), known)  # dashes would make all options similar
        message = f"no option {error.option_name}" + hint.replace("mean '", "mean '--")
    else:
        message = error.format_message().rstrip(".")
        message = message[:1].lower() + message[1:]
        message = message.replace("integer range", "whole number").replace("float range", "number")
    context = getattr(error, "ctx", None)
    return f"{message}: see {context.command_path} --help" if context else message


def _reader_gone() -> int:
    """End quietly when the reader of a pipe has ended, as other commands do."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # takes the rest of the buffer
    return 1
