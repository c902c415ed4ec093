"""`python -m matters` is the command `matters`."""

from matters.harness.cli import main

if __name__ == "__main__":
    main()
