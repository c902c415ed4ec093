from pathlib import Path

import pytest

from matters.results.imported import budgets, declared, runs
from matters.results.imported.pairs import MOST_VARIANTS, pairs, several
from matters.results.imported.runs import ForeignRun, ForeignSet, ReturnsOf
from matters.results.imported.tables import snapshot, suite
from matters.suites.errors import InputError

WHOLE = ["policy=deterministic", "episodes=10", "normalised=no", "source=a paper", "commit=1a", "licence=MIT"]


def make(
    variant: str,
    end: int = 1000,
    seed: int = 0,
    environment: str = "Hopper-v5",
    diverged_at: int | None = None,
    returns_of: ReturnsOf = "evaluation",
) -> ForeignRun:
    steps = tuple(end * k // 10 for k in range(1, 11))
    returns = tuple(float(seed + k) for k in range(10))
    return ForeignRun(variant, environment, seed, returns_of, steps, returns, "a.csv", "0" * 64, diverged_at)


def of(*variants: str) -> ForeignSet:
    return ForeignSet("lab", tuple(make(name) for name in variants))


def test_without_a_choice_all_pairs_of_few_variants_and_each_of_many_against_the_first() -> None:
    assert pairs(of("a", "b", "c"), (), None) == (("a", "b"), ("a", "c"), ("b", "c"))
    many = [f"v{k}" for k in range(MOST_VARIANTS + 1)]
    assert pairs(of(*many), (), None) == tuple((name, "v0") for name in many[1:])
    assert pairs(of("a"), (), None) == ()


def test_chosen_pairs_and_a_reference() -> None:
    found = of("a", "b", "c")
    assert pairs(found, ["b,a;c,b"], None) == (("b", "a"), ("c", "b"))
    assert pairs(found, ["b,a", "c,b", "b,a"], None) == (("b", "a"), ("c", "b"))
    assert pairs(found, (), "b") == (("a", "b"), ("c", "b"))


@pytest.mark.parametrize(
    ("compare", "reference", "says"),
    [
        (["a"], None, "--compare a: should be two variants"),
        (["a,b,c"], None, "should be two variants"),
        (["a,a"], None, "two different variants"),
        (["a,d"], None, "no variant 'd'; valid: a, b, c"),
        ((), "d", "--reference d: no such variant"),
    ],
)
def test_a_variant_that_is_not_there_is_one_line(
    compare: list[str], reference: str | None, says: str
) -> None:
    with pytest.raises(InputError) as error:
        pairs(of("a", "b", "c"), compare, reference)
    assert says in str(error.value)


def test_runs_that_end_within_two_percent_have_scores_up_to_the_first_end() -> None:
    # Ends at 1000 and 985: the score is of the returns up to 985, without the last one of the first run.
    found = ForeignSet("lab", (make("a"), make("b", end=985)))
    assert set(budgets.budgets(found.runs).values()) == {(985, 1000)}
    scores = dict(zip(snapshot(found).runs["variant"], snapshot(found).runs["score"], strict=True))
    assert scores == {"a": 7.5, "b": 8.5}
    assert suite(found).apart("a", "b", "Hopper-v5") is None


def test_runs_of_other_budgets_are_not_compared_and_keep_their_own_ends() -> None:
    found = ForeignSet("lab", (make("a"), make("b", end=775), make("a", environment="Ant-v5")))
    why = suite(found).apart("a", "b", "Hopper-v5")
    assert why == "not comparable on Hopper-v5: runs end at 775 against 1\u202f000 steps"
    assert suite(found).apart("a", "b", "Ant-v5") is None
    assert snapshot(found).runs["score"].tolist() == [8.5, 8.5, 8.5]
    one = ForeignSet("lab", (make("a"), make("a", end=775, seed=1), make("b")))
    assert suite(one).apart("a", "b", "Hopper-v5") is not None


def test_a_run_that_diverged_ended_early_for_that_reason() -> None:
    found = ForeignSet("lab", (make("a"), make("a", end=500, seed=1, diverged_at=550), make("b")))
    assert suite(found).apart("a", "b", "Hopper-v5") is None
    taken = snapshot(found).runs
    assert taken["diverged_at"].tolist()[1] == 550


def test_one_curve_under_two_names_has_one_digest() -> None:
    digests = snapshot(ForeignSet("lab", (make("a"), make("b"), make("b", seed=1)))).runs["digest"].tolist()
    assert digests[0] == digests[1] != digests[2]


def kept(store: Path, name: str, *stated: str, returns_of: ReturnsOf = "evaluation") -> None:
    runs.save(store, name, [make("ppo", returns_of=returns_of)])
    declared.save(store, name, declared.parse(stated))


def test_several_sets_take_a_reason_and_declared_protocols(tmp_path: Path) -> None:
    kept(tmp_path, "one", *WHOLE)
    kept(tmp_path, "two", *WHOLE[:-1], "licence=BSD")
    found, protocols = several(tmp_path, ["one", "two"], "same simulator, same budget")
    assert [run.variant for run in found.runs] == ["one:ppo", "two:ppo"]
    assert [(name, it.licence) for name, it in protocols] == [("one", "MIT"), ("two", "BSD")]
    assert runs.problems(tmp_path) == []
    for consent in (None, "", " "):
        with pytest.raises(InputError, match="say why with --pool-protocols REASON"):
            several(tmp_path, ["one", "two"], consent)
    with pytest.raises(InputError, match="--pool-protocols: is of several imported sets"):
        several(tmp_path, ["one"], "why")


@pytest.mark.parametrize(
    ("stated", "returns_of", "says"),
    [
        ((), "evaluation", r"not declared \(policy, episodes, normalised, source, commit, licence\)"),
        (WHOLE[:3], "evaluation", r"not declared \(source, commit, licence\)"),
        (["policy=stochastic", *WHOLE[1:]], "evaluation", "these are not compared"),
        (WHOLE, "training", "only sets of one stated kind of returns are compared"),
        (WHOLE, "unstated", "only sets of one stated kind of returns are compared"),
    ],
)
def test_sets_of_undeclared_or_other_protocols_are_not_compared(
    tmp_path: Path, stated: list[str], returns_of: ReturnsOf, says: str
) -> None:
    kept(tmp_path, "one", *WHOLE)
    kept(tmp_path, "two", *stated, returns_of=returns_of)
    with pytest.raises(InputError, match=says):
        several(tmp_path, ["one", "two"], "why not")


@pytest.mark.parametrize(
    ("pair", "says"),
    [
        ("policy", "should be NAME=VALUE"),
        ("polic=stochastic", "did you mean 'policy'"),
        ("policy=best", "should be deterministic, stochastic or training"),
        ("episodes=0", "should be a whole number"),
        ("episodes=many", "should be a whole number"),
        ("normalised=maybe", "should be no or yes"),
        ("source=\x1b[2J", "should be where they come from"),
        ("source=" + "x" * 301, "should be where they come from"),
    ],
)
def test_a_declaration_that_cannot_be_used_is_one_line(pair: str, says: str) -> None:
    with pytest.raises(InputError) as error:
        declared.parse([pair])
    assert says in str(error.value)
    assert str(error.value).isprintable()


def test_declarations_are_kept_joined_and_never_contradicted(tmp_path: Path) -> None:
    kept(tmp_path, "one", *WHOLE[:2])
    now = declared.joined(declared.load(tmp_path, "one"), declared.parse(WHOLE[1:]), "one")
    assert now.lacking == ()
    with pytest.raises(InputError, match="set one has episodes = 10; another protocol needs another --name"):
        declared.joined(now, declared.parse(["episodes=5"]), "one")
    path = tmp_path / "imported" / "one.protocol.json"
    path.write_bytes(path.read_bytes().replace(b"10", b"11"))
    with pytest.raises(InputError, match="is damaged"):
        declared.load(tmp_path, "one")
