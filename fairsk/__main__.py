"""The command line without its script: ``python -m fairsk demo``."""

from fairsk._cli import main

if __name__ == "__main__":
    raise SystemExit(main())
