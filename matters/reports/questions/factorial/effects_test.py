"""Effects with planted answers: numbers, families, verdicts and words."""

import re

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from matters.reports import questions
from matters.reports.questions.factorial.designs import at_hand
from matters.reports.questions.factorial.effects import FREEDOM, estimate
from matters.reports.statistics import comparisons as compare
from matters.reports.study.study import AGGREGATE, prepare
from matters.suites.ablation import ablation
from testing.planted import CONSTANTS, Plant, planted

HOPPER, WALKER = "Hopper-v5", "Walker2d-v5"
QUESTION = "trick-factorial"


def study(mean, tricks="value_clip,anneal_lr", places=(HOPPER,), n=10, sd=0.1, *, holes=None, **options):
    """A study whose cell means are `mean(tricks of the variant)`; `holes` replaces some cells."""
    kind = options.pop("kind", "full")
    constants = options.pop("constants", CONSTANTS)
    suite = ablation("ppo", tricks, environments=",".join(places), seeds=str(n), steps=50_000, kind=kind)
    suite = suite.model_copy(update={"margin": 0.25})
    cells = {
        (name, place): (holes or {}).get((name, place), Plant(mean(one.config.tricks), sd, n))
        for name, one in suite.variants.items()
        for place in places
    }
    known = {name: constants[name] for name in places if name in constants}
    return prepare(suite, planted(cells), constants=known, **options)


def estimated(prepared):
    return {
        (one.where, "×".join(one.term)): one
        for one in estimate(prepared, QUESTION, at_hand(prepared.suite.design, prepared.variants))
    }


@pytest.fixture
def answered(monkeypatch):
    """Answers without their figures, which take longer than all else."""
    monkeypatch.setattr("matters.reports.questions.factorial.trick_factorial._drawings", lambda *_: ())
    return lambda prepared: questions.answer(QUESTION, prepared)


def test_the_planted_effects_come_out_on_each_environment_and_on_average():
    def mean(t):
        return 0.3 + 0.4 * t.value_clip + 0.2 * t.value_clip * t.anneal_lr

    found = estimated(study(mean, places=(HOPPER, WALKER)))
    for name, value in (("value_clip", 0.5), ("anneal_lr", 0.1), ("value_clip×anneal_lr", 0.1)):
        assert found[AGGREGATE, name].value == pytest.approx(value)
        for place in (HOPPER, WALKER):
            low, high = CONSTANTS[place]
            assert found[place, name].value == pytest.approx(value * (high - low))


def test_with_equal_cells_the_interval_is_students_with_pooled_degrees_of_freedom():
    """16 cells of two runs with one variance: 16 degrees of freedom, standard error 2 σ / √32."""
    four = "value_clip,reward_scaling,orthogonal_init,anneal_lr"
    one = estimated(study(lambda t: 0.5, four, n=2, sd=0.1))[HOPPER, "value_clip"]
    sigma = 0.1 * (CONSTANTS[HOPPER][1] - CONSTANTS[HOPPER][0])
    assert one.found.estimate.degrees_of_freedom == pytest.approx(16)
    assert one.found.estimate.standard_error == pytest.approx(2 * sigma / np.sqrt(32))
    reach = stats.t.ppf(0.975, 16) * 2 * sigma / np.sqrt(32)
    assert one.found.interval95.high == pytest.approx(reach)
    assert not one.claim


def test_the_interval_of_unequal_cells_is_satterthwaites():
    holes = {("none", HOPPER): Plant(0.5, 0.4, 4), ("anneal_lr", HOPPER): Plant(0.5, 0.05, 7)}
    prepared = study(lambda t: 0.5, n=5, sd=0.1, holes=holes)
    one = estimated(prepared)[HOPPER, "value_clip"]
    parts = {c.variant: (c.scores.var(ddof=1) / 4 / c.n, c.n) for c in prepared.cells.values()}
    total = sum(part for part, _ in parts.values())
    freedom = total**2 / sum(part**2 / (n - 1) for part, n in parts.values())
    assert one.found.estimate.standard_error == pytest.approx(np.sqrt(total))
    assert one.found.estimate.degrees_of_freedom == pytest.approx(freedom)


def test_agreement_with_least_squares_where_variances_are_equal():
    import statsmodels.api as sm

    prepared = study(lambda t: 0.3 + 0.2 * t.value_clip, n=5)
    cells = [
        prepared.cell(v, HOPPER).scores for v in at_hand(prepared.suite.design, prepared.variants).variants
    ]
    a, b = np.repeat([-1, 1, -1, 1], 5), np.repeat([-1, -1, 1, 1], 5)
    fit = sm.OLS(np.concatenate(cells), np.column_stack([np.ones(20), a, b, a * b])).fit()
    found = estimated(prepared)
    for k, name in enumerate(("value_clip", "anneal_lr", "value_clip×anneal_lr"), start=1):
        one = found[HOPPER, name].found
        assert one.estimate.value == pytest.approx(2 * fit.params[k], abs=1e-6)
        assert one.estimate.standard_error == pytest.approx(2 * fit.bse[k])
        assert one.p_value == pytest.approx(fit.pvalues[k])


def test_holm_over_mains_holm_over_pairs_and_benjamini_hochberg_over_the_rest():
    def mean(t):
        return 0.5 + 0.06 * t.value_clip - 0.05 * t.anneal_lr * t.reward_scaling

    three = "value_clip,anneal_lr,reward_scaling"
    found = list(estimated(study(mean, three, places=(HOPPER, WALKER), n=5)).values())
    for orders, method in (((1,), "holm"), ((2,), "holm"), ((3,), "fdr_bh")):
        family = [one for one in found if one.order in orders]
        expected = multipletests([one.found.p_value for one in family], method=method)[1]
        assert [one.adjusted_p for one in family] == pytest.approx(list(expected))


def test_benjamini_and_hochbergs_worked_numbers():
    p_values = [0.50, 0.003, 0.32, 0.054, 0.0003]
    assert compare.benjamini_hochberg(p_values) == pytest.approx([0.5, 0.0075, 0.4, 0.09, 0.0015])
    assert compare.benjamini_hochberg([]) == []


@pytest.mark.parametrize(
    ("mean", "sd", "word", "words"),
    [
        (lambda t: 0.4 + 0.5 * t.value_clip, 0.1, "different", "`value_clip` raises the score by 1490"),
        (lambda t: 0.9 - 0.5 * t.value_clip, 0.1, "different", "`value_clip` lowers the score by 1490"),
        (lambda t: 0.5, 0.1, "equivalent", "`value_clip` on and off are equivalent"),
        (lambda t: 0.5 + 0.1 * t.value_clip, 0.05, "both", "within the margin of ±745"),
        (lambda t: 0.5 + 0.2 * t.value_clip, 0.6, "undecided", "the runs do not decide"),
    ],
)
def test_each_planted_verdict_comes_out_in_words(mean, sd, word, words, answered):
    section = answered(study(mean, sd=sd))
    verdict = section.verdicts[0]
    assert (verdict.x, verdict.where, verdict.verdict) == ("value_clip", HOPPER, word)
    assert verdict.claim == (word != "undecided")
    assert verdict.statement.startswith("On Hopper-v5, ")
    assert words in verdict.statement
    if word == "undecided":
        assert verdict.reason == "not decided"
        assert re.search(
            r"seeds per cell would decide if the difference is as large as seen", verdict.statement
        )
        assert "same" not in verdict.statement


def test_an_interaction_says_what_one_trick_does_with_the_other_off_and_on(answered):
    section = answered(study(lambda t: 0.2 + 0.6 * t.value_clip * t.anneal_lr))
    text = next(one.statement for one in section.verdicts if one.x == "value_clip × anneal_lr")
    assert "`value_clip` and `anneal_lr` interact" in text
    assert "The effect of `value_clip` is 0 with `anneal_lr` off and +1788 with it on." in text
    assert "`value_clip` and `anneal_lr` interact" in section.answer


def test_few_seeds_make_an_indication_with_its_caveat(answered):
    four = "value_clip,reward_scaling,orthogonal_init,anneal_lr"
    section = answered(study(lambda t: 0.2 + 0.6 * t.value_clip, four, n=2))
    assert (section.word, section.claim) == ("different", False)
    assert section.indication
    caveat = next(line for line in section.lacks if line.startswith("2 seeds in the smallest cell"))
    assert "16 degrees of freedom" in caveat
    assert "indicative" in caveat
    assert not any(one.claim for one in (*section.verdicts, *section.more))


@pytest.mark.parametrize(("n", "sd", "diverged"), [(10, 0.1, 1), (10, 0.01, 0), (20, 0.1, 1), (10, 0.1, 0)])
def test_rare_collapses_and_unequal_spreads_keep_a_claim_from_few_runs_a_side(n, sd, diverged, answered):
    """One trick alone, so that a side is one cell: what holds for a pair of variants holds for it."""
    holes = {("none", HOPPER): Plant(0.5, sd, n, diverged=diverged)}
    section = answered(study(lambda t: 0.9, "value_clip", n=n, sd=0.1, holes=holes))
    (verdict,) = section.verdicts
    assert verdict.verdict == "different"
    assert verdict.claim == (n == 20 or (sd, diverged) == (0.1, 0))
    assert ("nothing is claimed under 20 runs a side" in verdict.statement) != verdict.claim
    assert ("spreads 10 times as wide" in verdict.statement) == (sd == 0.01)
    assert ("rests on a cell with rare collapses" in verdict.statement) == (n == 10 and bool(diverged))
    assert any("1 of" in line and "rare collapses" in line for line in section.lacks) == bool(diverged)


def test_what_lopsided_sides_mean_is_said_once_in_a_section_and_their_facts_with_every_effect(answered):
    wide = {("none", place): Plant(0.3, 0.6, 5) for place in (HOPPER, WALKER)}
    found = answered(
        study(
            lambda t: 0.3 + 0.4 * t.value_clip,
            "value_clip,anneal_lr,reward_scaling",
            places=(HOPPER, WALKER), n=5, sd=0.02, holes=wide, kind="one-in",
        )
    )  # fmt: skip
    statements = [one.statement for one in (*found.verdicts, *found.more)]
    facts = [text for text in statements if "one of its sides spreads 30 times as wide as the other" in text]
    assert len(facts) == len(statements) == 9
    assert sum(text.count("nothing is claimed under 20 runs a side") for text in statements) == 1
    assert "nothing is claimed under 20 runs a side" in statements[0]
    assert not any(one.claim for one in (*found.verdicts, *found.more))


def test_too_few_degrees_of_freedom_give_effects_without_intervals(answered):
    section = answered(study(lambda t: 0.2 + 0.6 * t.value_clip, n=2))
    assert (section.reason, section.claim) == ("too few seeds", False)
    assert "4 degrees of freedom" in section.verdicts[0].statement
    row = section.tables[0].data[0]
    assert row["difference"] == pytest.approx(1788)
    assert row["low_95"] is None
    assert answered(study(lambda t: 0.5, n=3)).reason != "too few seeds"
    assert FREEDOM == 8


def test_a_cell_without_runs_is_named_and_the_other_environments_are_answered(answered):
    holes = {("anneal_lr", HOPPER): Plant(0, 0, 0, failed=10)}
    section = answered(
        study(lambda t: 0.2 + 0.6 * t.value_clip, places=(HOPPER, WALKER), holes=holes, allow_missing=True)
    )
    said = [one.statement for one in section.verdicts]
    assert any(
        "On Hopper-v5, no effect can be estimated: no scored run of `anneal_lr`" in one for one in said
    )
    assert any(one.startswith("On Walker2d-v5, `value_clip` raises the score") for one in said)
    assert any("`anneal_lr` (10 failed)" in line for line in section.lacks)


def test_a_missing_run_blocks_the_aggregate_until_that_is_allowed():
    holes = {("anneal_lr", HOPPER): Plant(0.5, 0.1, 9, missing=1)}
    cells = {"places": (HOPPER, WALKER), "holes": holes}
    blocked = estimated(study(lambda t: 0.5, **cells))
    assert blocked[AGGREGATE, "value_clip"].reason == "blocked"
    assert blocked[HOPPER, "value_clip"].found is not None
    assert not blocked[HOPPER, "value_clip"].claim
    assert blocked[WALKER, "value_clip"].claim
    assert estimated(study(lambda t: 0.5, **cells, allow_missing=True))[AGGREGATE, "value_clip"].found


def test_a_lost_arm_of_one_at_a_time_costs_its_own_effect_alone(answered):
    holes = {("anneal_lr", HOPPER): Plant(0, 0, 0, missing=10)}
    section = answered(study(lambda t: 0.2 + 0.6 * t.value_clip, kind="one-in", holes=holes))
    assert [one.reason or one.verdict for one in section.verdicts] == ["blocked", "different"]
    assert "the effect of `anneal_lr` cannot be estimated" in section.verdicts[0].statement
    assert len(section.tables[0].rows) == 2


def test_without_constants_there_are_effects_but_no_equivalence(answered):
    section = answered(study(lambda t: 0.5, constants={}))
    assert (section.word, section.reason) == ("undecided", "not decided")
    assert any("no margin" in line for line in section.lacks)


def test_cells_without_any_spread_or_difference_leave_no_room_and_show_no_equivalence(answered):
    prepared = study(lambda t: 1.0, sd=0.0)
    assert {(one.word, one.reason) for one in estimated(prepared).values()} == {("undecided", "no room")}
    assert answered(prepared).answer.startswith("Cannot be told")


def test_tricks_that_help_here_and_hurt_there_are_mixed_and_not_equivalent():
    def mean(t):
        return 0.5 + 0.4 * t.value_clip

    holes = {
        (name, WALKER): Plant(0.5 - 0.4 * one.config.tricks.value_clip, 0.02, 10)
        for name, one in study(mean).suite.variants.items()
    }
    found = estimated(study(mean, places=(HOPPER, WALKER), sd=0.02, holes=holes))
    assert [found[place, "value_clip"].word for place in (HOPPER, WALKER)] == ["different", "different"]
    assert (found[AGGREGATE, "value_clip"].word, found[AGGREGATE, "value_clip"].reason) == (
        "undecided",
        "mixed",
    )
    assert found[AGGREGATE, "anneal_lr"].word == "equivalent"


def test_before_anything_is_learnt_no_trick_is_equivalent():
    found = estimated(study(lambda t: 0.05, sd=0.01))
    assert {(one.word, one.reason) for one in found.values()} == {("undecided", "too early")}


def test_without_a_design_it_says_what_it_needs(answered):
    prepared = study(lambda t: 0.5)
    lone = {"none": prepared.suite.variants["none"]}
    suite = prepared.suite.model_copy(update={"variants": lone})
    cells = {("none", HOPPER): Plant(0.5, 0.1)}
    section = answered(prepare(suite, planted(cells), constants=CONSTANTS))
    assert (section.word, section.verdicts, section.drawings) == ("undecided", (), ())
    assert "complete design" in section.answer


def test_every_figure_is_drawn_and_every_effect_is_data():
    three = "value_clip,anneal_lr,reward_scaling"
    prepared = study(lambda t: 0.5 + 0.2 * t.value_clip, three, places=(HOPPER, WALKER))
    section = questions.answer(QUESTION, prepared)
    assert [one.name for one in section.drawings] == [
        QUESTION,
        "half-normal",
        "factorial-cells",
        "on-and-off",
    ]
    assert len(section.tables[0].data) == 3 * 7
    assert len(section.tables[1].rows) == 8
    assert "3 higher interactions are in the CSV" in section.tables[0].caption
    for drawing in section.drawings:
        assert all(panel.alt for panel in drawing.panels)
