"""`python -m matters` is the command `matters`, whose first instants are here: nothing heavy is loaded yet.

Ctrl-C, and SIGTERM, which schedulers send, end it in one line and with status 1, also while libraries load.
"""

import signal
import sys


def main() -> None:
    """Run the command and exit with its status."""
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        from matters.harness.cli import main as command

        command()
    except KeyboardInterrupt:
        sys.stderr.write("matters: stopped\n")
        sys.exit(1)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
