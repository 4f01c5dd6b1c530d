"""The command line: ``python -m fairsk demo``."""

from fairsk._cli import main

if __name__ == "__main__":
    raise SystemExit(main())
