"""The two answers to a question of a suite that tunes."""

from matters.reports.questions.both_answers import answers
from matters.reports.study.study import prepare
from matters.suites.at_best import with_best
from matters.suites.loading import load_suite
from testing.planted import CONSTANTS, Plant, planted

HOPPER = "Hopper-v5"


def test_without_runs_of_the_tuning_the_second_answer_is_that_it_has_not_chosen_yet() -> None:
    suite = load_suite("implementation-matters-tuned").restricted(only="ppo/Hopper*,ppo-m/Hopper*")
    cells = {("ppo", HOPPER): Plant(0.9, 0.1, 20), ("ppo-m", HOPPER): Plant(0.2, 0.1, 20)}
    equal, best = answers("code-level-tricks", prepare(suite, planted(cells), constants=CONSTANTS))
    assert (equal.at, best.at) == ("at equal settings", "each at its own best")
    assert equal.answer.startswith("Yes: `ppo` scores ")
    assert best.answer == "No answer yet: the tuning has chosen nothing for `ppo`, `ppo-m`."
    assert best.verdicts == ()


def test_how_verdicts_are_found_is_said_once_for_both_answers() -> None:
    suite = load_suite("implementation-matters-tuned").restricted(only="ppo/Hopper*,ppo-m/Hopper*")
    cells = {("ppo", HOPPER): Plant(0.9, 0.1, 20), ("ppo-m", HOPPER): Plant(0.2, 0.1, 20)}
    equal, best = answers("code-level-tricks", prepare(suite, planted(cells), constants=CONSTANTS))
    assert "Holm-adjusted" in equal.method
    assert best.method == "Verdicts are found as at equal settings."


def test_the_papers_measures_are_said_to_be_of_the_settings_that_they_are_of() -> None:
    suite = load_suite("implementation-matters-tuned").restricted(only="*/Hopper*")
    names = ("ppo", "ppo-m", "trpo-plain", "trpo-tricks")
    points = {name: {HOPPER: {"kl" if "trpo" in name else "learning_rate": 0.03}} for name in names}
    tuned = with_best(suite, points)
    cells = {(name, HOPPER): Plant(0.5, 0.1, 10) for name in tuned.variants}
    sections = answers("code-level-tricks", prepare(tuned, planted(cells), constants=CONSTANTS))
    captions = [
        table.caption for one in sections for table in one.tables if table.caption.startswith("Engstrom")
    ]
    assert [caption.partition(", in raw")[0] for caption in captions] == [
        "Engstrom’s measures at equal settings",
        "Engstrom’s measures with each at its own best",
    ]
