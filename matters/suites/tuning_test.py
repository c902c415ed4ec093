"""What a suite tunes: ordinary runs on seeds of their own, and variants named after what they are."""

import copy
from typing import Any

import pytest

from matters.suites.at_best import at_equal_settings, at_own_best, with_best
from matters.suites.candidates import candidates, tuned_settings
from matters.suites.errors import InputError
from matters.suites.loading import suite
from matters.suites.suite import Suite

DOCUMENT: dict[str, Any] = {
    "suite": {
        "name": "tuned",
        "title": "Tuned",
        "environments": ["Hopper-v5", "Walker2d-v5"],
        "seeds": 3,
        "steps": 4096,
        "questions": [],
        "compare": [["ppo", "ppo-m"], ["ppo", "trpo"]],
        "tuning": {"learning_rate": [1e-4, 3e-4, 1e-3], "seeds": 2},
    },
    "variants": {
        "ppo": {"algorithm": "ppo"},
        "ppo-m": {"algorithm": "ppo", "preset": "ppo-m"},
        "trpo": {"algorithm": "trpo"},
    },
}


def made(**tuning: Any) -> Suite:
    document = copy.deepcopy(DOCUMENT)
    document["suite"]["tuning"] |= tuning
    return suite(document)


def test_what_is_tried_are_runs_like_those_of_a_variant_written_with_these_values() -> None:
    written = copy.deepcopy(DOCUMENT)
    del written["suite"]["tuning"]
    written["suite"]["seeds"] = [2000, 2001]
    written["variants"] = {
        f"{name}@learning_rate={value}": {**DOCUMENT["variants"][name], "config": {"learning_rate": value}}
        for name in ("ppo", "ppo-m")
        for value in (1e-4, 3e-4, 1e-3)
    }
    names = {label: f"v{k}" for k, label in enumerate(written["variants"])}
    written["variants"] = {names[label]: table for label, table in written["variants"].items()}
    written["suite"]["compare"] = []
    expected = {(c.variant, c.environment): [s.run_id for s in c.specs] for c in suite(written).cells()}
    found = {(names[c.variant], c.environment): [s.run_id for s in c.specs] for c in made().tuning_cells()}
    assert found == expected


def test_a_variant_without_the_setting_is_not_tuned_and_of_several_settings_every_combination_is_tried() -> (
    None
):
    both = made(gae_lambda=[0.9, 0.95])
    assert tuned_settings(both, "ppo") == ("learning_rate", "gae_lambda")
    assert tuned_settings(both, "trpo") == ("gae_lambda",)
    counts = {name: sum(one.of == name for one in candidates(both)) for name in both.variants}
    assert counts == {"ppo": 6, "ppo-m": 6, "trpo": 2}
    assert tuned_settings(made(), "trpo") == ()
    assert {one.of for one in candidates(made(variants=["ppo-m"]))} == {"ppo-m"}


def test_a_setting_in_a_table_is_named_by_its_dots_whichever_way_it_is_written() -> None:
    nested, dotted = made(tricks={"gradient_clip": [0.5, 1.0]}), made(**{"tricks.gradient_clip": [0.5, 1.0]})
    assert nested == dotted
    assert nested.tuning is not None
    assert list(nested.tuning.grid) == ["learning_rate", "tricks.gradient_clip"]


@pytest.mark.parametrize(
    ("tuning", "says"),
    [
        ({"learning_rte": [1e-4, 1e-3]}, "tuning.learning_rte: no variant has such a setting; did you mean"),
        ({"learning_rate": 1e-3}, "suite.tuning.learning_rate = 0.001: should be a list of values"),
        ({"learning_rate": [1e-3]}, "a grid has at least two values"),
        ({"learning_rate": [1e-3, 1e-3]}, "0.001 appears twice"),
        ({"learning_rate": [1e-3, -1.0]}, "tuning.learning_rate = -1.0: should be greater than 0"),
        ({"seeds": [2, 2000]}, "tuning.seeds: 2 is a seed of the comparison"),
        ({"seeds": 0}, "suite.tuning.seeds"),
        ({"rule": "best"}, "suite.tuning.rule = 'best'"),
        ({"variants": ["pppo"]}, "tuning.variants = 'pppo': no variant of that name; did you mean 'ppo'?"),
        ({"variants": ["trpo"]}, "tuning.variants = 'trpo': has none of the settings learning_rate"),
    ],
)
def test_a_tuning_that_cannot_be_is_one_line_that_names_the_field(tuning: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError) as error:
        made(**tuning)
    assert says in str(error.value)
    assert "\n" not in str(error.value)


def test_no_seed_of_the_tuning_is_compared_whatever_the_command_line_says() -> None:
    with pytest.raises(InputError, match="2000 is a seed of the comparison"):
        made().restricted(seeds="1999:2002")


def test_a_mean_over_environments_needs_their_constants() -> None:
    document = copy.deepcopy(DOCUMENT)
    document["suite"]["environments"] = ["Hopper-v5", "probe/Copy-v0"]
    with pytest.raises(InputError, match=r"probe/Copy-v0 has no normalising constants.*per-environment"):
        suite(document)
    document["suite"]["tuning"]["rule"] = "per-environment"
    assert suite(document).tuning_cells()


def test_a_released_preset_is_tuned_on_top_of_the_settings_of_each_task() -> None:
    document = copy.deepcopy(DOCUMENT)
    document["variants"] = {"ppo-released": {"algorithm": "ppo", "preset": "ppo-released"}}
    document["suite"]["compare"] = []
    own = suite(document).variants["ppo-released"]
    first = candidates(suite(document))[0].variant
    for name in ("Hopper-v5", "Walker2d-v5"):
        changed = own.on(name).model_copy(update={"learning_rate": 1e-4})
        assert first.on(name) == changed


def place(values: Any, *names: str) -> Any:
    return {name: {"learning_rate": values} for name in names or ("Hopper-v5", "Walker2d-v5")}


def test_what_was_chosen_is_a_variant_of_its_own_unless_it_is_what_was_declared() -> None:
    chosen = with_best(made(), {"ppo": place(3e-4), "ppo-m": place(1e-3)})
    assert chosen.at_best == {"ppo": "ppo", "ppo-m": "ppo-m-at-best"}
    assert list(chosen.variants) == ["ppo", "ppo-m", "trpo", "ppo-m-at-best"]
    best: Any = chosen.variants["ppo-m-at-best"].config
    assert best == made().variants["ppo-m"].config.model_copy(update={"learning_rate": 1e-3})
    assert list(at_equal_settings(chosen).variants) == ["ppo", "ppo-m", "trpo"]
    own = at_own_best(chosen)
    assert list(own.variants) == ["ppo", "ppo-m-at-best", "trpo"]
    assert own.comparisons == (("ppo", "ppo-m-at-best"), ("ppo", "trpo"))


def test_one_choice_per_environment_is_one_variant_with_settings_per_environment() -> None:
    per = {**place(1e-3, "Hopper-v5"), **place(3e-4, "Walker2d-v5")}
    chosen = with_best(made(rule="per-environment"), {"ppo": per}).variants["ppo-at-best"]
    rates = {name: getattr(chosen.on(name), "learning_rate") for name in per}  # noqa: B009
    assert rates == {"Hopper-v5": 1e-3, "Walker2d-v5": 3e-4}


@pytest.mark.parametrize("rate", [1e-3, 3e-4], ids=["another", "its own"])
def test_chosen_on_one_environment_alone_a_variant_is_at_its_own_best_there_and_nowhere_else(
    rate: float,
) -> None:
    declared = made(rule="per-environment")
    chosen = with_best(declared, {"ppo": place(rate, "Hopper-v5"), "ppo-m": place(3e-4)})
    best = "ppo" if rate == 3e-4 else "ppo-at-best"
    assert chosen.at_best == {"ppo": best, "ppo-m": "ppo-m"}
    assert chosen.untuned == (("ppo", "Walker2d-v5"),)
    cells = [(cell.variant, cell.environment) for cell in chosen.cells()]
    assert sorted(cells) == sorted({*declared.pairs(), (best, "Hopper-v5")})
    (own,) = (cell for cell in chosen.cells() if (cell.variant, cell.environment) == (best, "Hopper-v5"))
    assert own.specs[0].config["learning_rate"] == rate
    assert (best, "Hopper-v5") in at_own_best(chosen).pairs()


@pytest.mark.parametrize("other", [1e-3, 3e-4])
def test_a_variant_with_a_share_of_the_seeds_has_that_share_at_its_own_best(other: float) -> None:
    document = copy.deepcopy(DOCUMENT)
    document["variants"]["ppo-m"]["seeds"] = 3
    document["suite"]["tuning"]["rule"] = "per-environment"
    per = {**place(1e-3, "Hopper-v5"), **place(other, "Walker2d-v5")}
    assert with_best(suite(document), {"ppo-m": per}).variants["ppo-m-at-best"].seeds == 3


def test_without_a_choice_a_variant_is_not_among_those_at_their_own_best() -> None:
    chosen = with_best(made(), {"ppo": place(1e-3)})
    assert list(at_own_best(chosen).variants) == ["ppo-at-best", "trpo"]


def test_a_suite_narrowed_to_some_cells_tunes_on_these_and_the_best_is_trained_on_these() -> None:
    narrow = made().restricted(only="ppo/Hopper-v5,trpo")
    assert {(c.variant[:4], c.environment) for c in narrow.tuning_cells()} == {("ppo@", "Hopper-v5")}
    chosen = with_best(narrow, {"ppo": place(1e-3, "Hopper-v5")})
    cells = [(cell.variant, cell.environment) for cell in chosen.cells()]
    assert ("ppo-at-best", "Hopper-v5") in cells
    assert ("ppo-at-best", "Walker2d-v5") not in cells


def test_a_smoke_version_tunes_on_one_seed() -> None:
    smoke = made().smoke()
    assert {spec.seed for cell in smoke.tuning_cells() for spec in cell.specs} == {2000}
