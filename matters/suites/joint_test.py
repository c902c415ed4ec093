import pytest

from matters.suites.errors import InputError
from matters.suites.joint import Joint, join, narrowed
from matters.suites.loading import suite
from matters.suites.suite import Suite


def make(name: str = "a", variants: dict[str, str] | None = None, **header: object) -> Suite:
    fields = {
        "name": name,
        "title": name,
        "environments": ["Hopper-v5"],
        "seeds": 2,
        "steps": 1000,
        "questions": ["reproduction"],
    }
    named = {"ppo": "ppo", "vpg": "vpg"} if variants is None else variants
    tables = {variant: {"algorithm": "ppo" if preset.startswith("ppo") else preset, "preset": preset}
              for variant, preset in named.items()}  # fmt: skip
    return suite({"suite": fields | header, "variants": tables})


A = make()
B = make(
    "b",
    {"ppo": "ppo", "ppo-m": "ppo-m"},
    environments=["Walker2d-v5", "Hopper-v5"],
    seeds=[1, 2],
    questions=["code-level-tricks", "reproduction"],
)


def test_one_suite_stays_as_it_is() -> None:
    assert join([A]) is A


def test_the_union_has_the_cells_and_the_seeds_of_all() -> None:
    both = join([A, B])
    assert isinstance(both, Joint)
    assert [(c.variant, c.environment, [spec.seed for spec in c.specs]) for c in both.cells()] == [
        ("ppo", "Hopper-v5", [0, 1, 2]),
        ("vpg", "Hopper-v5", [0, 1]),
        ("ppo", "Walker2d-v5", [1, 2]),
        ("ppo-m", "Walker2d-v5", [1, 2]),
        ("ppo-m", "Hopper-v5", [1, 2]),
    ]
    declared = {spec.run_id for one in (A, B) for cell in one.cells() for spec in cell.specs}
    assert {spec.run_id for cell in both.cells() for spec in cell.specs} == declared


def test_the_union_is_described_like_a_suite() -> None:
    both = join([A, B])
    assert (both.name, both.title) == ("a+b", "The suites a and b together")
    assert list(both.variants) == ["ppo", "vpg", "ppo-m"]
    assert both.questions == ("reproduction", "code-level-tricks")
    assert (both.steps, both.margin, both.aggregate_margin) == (1000, A.margin, A.aggregate_margin)
    assert both.evaluation == A.evaluation


def test_the_identity_of_a_union_has_every_config() -> None:
    assert "learning_rate" in join([A, B]).model_dump_json()


@pytest.mark.parametrize(
    ("other", "says"),
    [
        (make("b", steps=2000), "suites a and b: steps = 1000 and 2000"),
        (make("b", evaluation={"points": 5}), "suites a and b: evaluation = "),
        (make("b", margin=0.5), "suites a and b: margin = 0.1 and 0.5"),
        (make("b", aggregate_margin=0.2), "aggregate_margin = 0.1 and 0.2"),
        (make("b", {"ppo": "ppo-m"}), "suites a and b: variants.ppo differs in "),
        (make("b", {"ppo": "vpg"}), "variants.ppo differs in algorithm, 'ppo' and 'vpg'"),
        (A, "suite = 'a': named twice"),
    ],
)
def test_what_cannot_be_one_report_is_one_line(other: Suite, says: str) -> None:
    with pytest.raises(InputError) as error:
        join([A, other])
    assert says in str(error.value)


def test_the_third_suite_is_held_against_the_second_too() -> None:
    third = make("c", {"ppo-m": "ppo"})
    assert join([A, third])
    with pytest.raises(InputError, match=r"suites b and c: variants\.ppo-m differs"):
        join([A, B, third])


def cells(suites: list[Suite]) -> list[list[tuple[str, str]]]:
    return [[(cell.variant, cell.environment) for cell in one.cells()] for one in suites]


def test_a_narrower_choice_is_of_the_cells_of_all() -> None:
    assert cells(narrowed([A, B], "1", None, "vpg,ppo-m/Walker*")) == [
        [("vpg", "Hopper-v5")],
        [("ppo-m", "Walker2d-v5")],
    ]
    assert cells(narrowed([A, B], None, None, "vpg")) == [[("vpg", "Hopper-v5")]]
    assert [one.steps for one in narrowed([A, B], None, 500, None)] == [500, 500]


def test_a_choice_that_matches_nothing_anywhere_is_one_line() -> None:
    with pytest.raises(InputError, match="only = 'sac': no such cell"):
        narrowed([A, B], None, None, "vpg,sac")


def test_suites_that_tune_alike_are_tuned_as_one_and_others_are_refused() -> None:
    grid = {"learning_rate": [1e-4, 1e-3], "variants": ["ppo"]}
    one, other = make(tuning=grid), make("b", environments=["Walker2d-v5"], tuning=grid)
    both = join([one, other, B.model_copy(update={"name": "c"})])
    assert both.tuning == one.tuning
    cells = [(cell.variant, cell.environment) for cell in both.tuning_cells()]
    assert cells == [
        (f"ppo@learning_rate={rate}", place)
        for place in ("Hopper-v5", "Walker2d-v5")
        for rate in (1e-4, 1e-3)
    ]
    with pytest.raises(InputError, match="suites a and b: tune in two ways"):
        join([one, make("b", tuning={"learning_rate": [1e-4, 1e-2]})])
