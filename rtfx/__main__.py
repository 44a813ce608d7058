"""``python -m rtfx`` is the command ``rtfx``."""

import signal


def main() -> None:
    """Run the command. An interrupt while it is being imported ends it without a word: nothing has begun."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # what is ignored stays ignored
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from .cli.main import main as command

    command()


if __name__ == "__main__":
    main()
