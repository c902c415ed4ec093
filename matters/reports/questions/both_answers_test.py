"""The two answers to a question of a suite that tunes."""

from matters.reports.questions.both_answers import answers
from matters.reports.study.study import prepare
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
