"""What `matters list` prints of a list."""

from matters.harness.commands.listing import _cell


def test_texts_that_have_commas_are_told_apart() -> None:
    assert _cell(["vpg", "reinforce"]) == "vpg, reinforce"
    assert _cell(["vpg: one, two", "reinforce: three"]) == "vpg: one, two; reinforce: three"
