"""The draw of runs that are trained again."""

from matters.results.evidence import opened
from testing.repeat_evidence import drawn


def test_a_draw_is_the_same_for_a_seed_another_for_another_and_cheap_ones_cost_little() -> None:
    with opened("nine") as found:
        variants = {run.run_id: run.variant for run in found.manifest.runs}
        first, elsewhere = drawn(found, 3, 1, cheap=True)
        assert (len(set(first)), elsewhere) == (3, 0), "all of its bits are portable"
        assert drawn(found, 3, 1, cheap=True)[0] == first != drawn(found, 3, 2, cheap=True)[0]
        assert not {"ddpg", "td3", "sac"} & {variants[run_id] for run_id in first}
        every, _ = drawn(found, 10_000, 1, cheap=False)
        assert sorted(every) == sorted(variants)
