import pytest

from matters.harness.terminal import console
from matters.harness.terminal.console import print_table

ROWS = [("a", 1.5, None), ("longer \x1b[2J", 20.25, "x" * 40), ("b", 300.0, 7)]


def test_a_long_table_has_the_cells_of_a_short_one_in_the_same_order(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    print_table(("name", "score", "note"), ROWS)
    short = capsys.readouterr().out
    monkeypatch.setattr(console, "MANY", 2)
    print_table(("name", "score", "note"), ROWS)
    long = capsys.readouterr().out

    def words(text: str) -> list[str]:
        return text.replace("─", "").split()

    assert words(long) == words(short)
    assert "\x1b" not in long
    assert long.splitlines()[3] == r"longer \x1b[2J   20.2  " + "x" * 40
