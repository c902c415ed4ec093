"""Rows of scores: few with numbers, many with room for their labels."""

from matters.reports.page.score_figures import rows_for
from matters.reports.page.style import MOST_LINES, PANEL_WIDTH


def test_a_panel_of_many_rows_is_lower_than_one_of_few_and_labels_have_room():
    few, many = ([f"variant-{k}" for k in range(count)] for count in (MOST_LINES, 20))
    assert rows_for(many).height(20) < 6 < 1.3 * rows_for(few).height(MOST_LINES)
    assert not rows_for(few).many
    long = ["value_clip+reward_scaling+ortho"] * 16
    assert rows_for(long).left < PANEL_WIDTH / 2
    assert rows_for(many).left < rows_for(long).left
