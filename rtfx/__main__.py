"""``python -m rtfx`` is the command ``rtfx``."""

from .cli.main import main

if __name__ == "__main__":
    main()
