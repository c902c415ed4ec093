from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from matters.algorithms import ppo
from matters.results.conftest import PROVENANCE, make_record
from matters.results.schema import EVALUATIONS
from matters.results.snapshot import KEYS, Snapshot, snapshot
from matters.results.store import Store
from matters.results.thinning import MOST_ROWS
from matters.suites.loading import suite
from matters.suites.suite import Suite
from matters.suites.variant import Variant

SUITE = suite(
    {
        "suite": {
            "name": "small",
            "title": "Small",
            "environments": ["Hopper-v5", "probe/Copy-v0"],
            "seeds": [5, 3],
            "steps": 100,
            "evaluation": {"points": 3, "episodes": 2},
            "questions": ["reproduction"],
        },
        # Declared out of alphabetical order on purpose.
        "variants": {"z": {"algorithm": "ppo"}, "a": {"algorithm": "vpg"}},
    }
)


def finish(store: Store, cell: int, run: int = 0, **changes: object) -> str:
    spec = SUITE.cells()[cell].specs[run]
    lease = store.lease(spec)
    assert lease is not None
    with lease:
        lease.finish(make_record(cell * 10 + run, **changes), PROVENANCE)
    return spec.run_id


def test_there_is_one_row_a_declared_run_in_the_declared_order(store: Store) -> None:
    runs = snapshot(store, SUITE).runs
    assert list(runs.columns) == [
        *KEYS,
        "state",
        "steps",
        "digest",
        "score",
        "diverged_at",
        "error",
        "outcome",
    ]
    assert runs[["variant", "environment", "seed"]].to_numpy().tolist() == [
        [variant, environment, seed]
        for variant in ("z", "a")
        for environment in ("Hopper-v5", "probe/Copy-v0")
        for seed in (5, 3)
    ]
    assert runs["run_id"].tolist() == [spec.run_id for cell in SUITE.cells() for spec in cell.specs]
    assert set(runs["state"]) == {"missing"}


def test_every_state_is_a_row_and_a_run_in_training_counts_as_missing(store: Store) -> None:
    done, diverged = finish(store, 0), finish(store, 1, diverged_at=60)
    failing = store.lease(SUITE.cells()[2].specs[0])
    assert failing is not None
    failing.fail("no memory", 10, PROVENANCE)
    training = store.lease(SUITE.cells()[3].specs[0])
    assert training is not None
    training.progress(50)
    runs = snapshot(store, SUITE).runs.set_index("run_id")
    assert runs["state"].value_counts().to_dict() == {"missing": 5, "done": 2, "failed": 1}
    assert runs.loc[done, "score"] == store.status(done).score
    assert runs.loc[diverged, "diverged_at"] == 60
    assert pd.isna(runs.loc[done, "diverged_at"])
    assert runs.loc[failing.spec.run_id, "error"] == "no memory"
    assert np.isnan(runs.loc[training.spec.run_id, "score"])


def test_an_evaluation_row_is_the_mean_over_the_points_episodes(store: Store) -> None:
    run_id = finish(store, 0)
    evaluations = snapshot(store, SUITE).evaluations
    record = store.record(run_id)
    assert list(evaluations.columns) == [*KEYS, "point", "step", "score"]
    assert evaluations["point"].tolist() == [1, 2, 3]
    assert evaluations["step"].tolist() == [50, 75, 100]
    expected = record.evaluations["return"].reshape(3, 2).mean(1)
    assert evaluations["score"].to_numpy() == pytest.approx(expected)
    assert set(evaluations["variant"]) == {"z"}
    assert store.status(run_id).score == pytest.approx(expected[-2:].mean())


def test_training_episodes_are_a_table_of_their_own(store: Store) -> None:
    run_id = finish(store, 0)
    episodes = snapshot(store, SUITE).episodes
    assert list(episodes.columns) == [*KEYS, "step", "return", "length"]
    assert episodes["return"].tolist() == store.record(run_id).episodes["return"].tolist()


def test_a_diagnostic_that_one_algorithm_has_is_nan_for_the_others(store: Store) -> None:
    first = finish(store, 0)
    second = finish(store, 2, updates={"step": np.array([100]), "entropy": np.array([1.5])})
    finish(store, 3, updates={})
    updates = snapshot(store, SUITE).updates
    assert list(updates.columns) == [*KEYS, "step", "entropy", "mean_kl"]
    assert updates["run_id"].tolist() == [first, first, second]
    assert updates["entropy"].isna().tolist() == [True, True, False]
    assert updates["step"].dtype == np.int64


def test_an_outcome_is_what_was_played_and_learnt_whatever_else_a_rule_records(store: Store) -> None:
    record = make_record(0)
    counted = replace(record, updates={**record.updates, "search_steps": record.updates["mean_kl"]})
    other = replace(record, policy={name: value + 1 for name, value in record.policy.items()})
    for cell, one in ((0, record), (2, counted), (3, other)):
        lease = store.lease(SUITE.cells()[cell].specs[0])
        assert lease is not None
        with lease:
            lease.finish(one, PROVENANCE)
    runs = snapshot(store, SUITE).runs.iloc[[0, 4, 6]]
    assert runs["digest"].nunique() == 3
    plain, with_counts, learnt_more = runs["outcome"]
    assert plain == with_counts != learnt_more


def test_provenance_is_flat(store: Store) -> None:
    spec = SUITE.cells()[0].specs[0]
    lease = store.lease(spec)
    assert lease is not None
    lease.finish(make_record(), {"population": [5, 3], "packages": {"torch": "2"}, "git": None})
    provenance = snapshot(store, SUITE).provenance
    assert provenance.to_dict("records") == [
        {"run_id": spec.run_id, "population": "[5, 3]", "packages.torch": "2", "git": None}
    ]


def test_the_tables_of_an_empty_store_have_their_columns_and_types(store: Store) -> None:
    empty = snapshot(store, SUITE)
    for table, types in (
        (empty.evaluations, {"seed": "int64", "point": "int64", "score": "float64"}),
        (empty.episodes, {"step": "int64", "return": "float64"}),
        (empty.updates, {"step": "int64"}),
    ):
        assert len(table) == 0
        assert {name: str(table[name].dtype) for name in types} == types
    assert list(empty.provenance.columns) == ["run_id"]


def test_a_run_that_diverged_before_any_evaluation_has_no_rows_there(store: Store) -> None:
    finish(
        store, 0, evaluations={name: np.array([], kind) for name, kind in EVALUATIONS.items()}, diverged_at=1
    )
    taken = snapshot(store, SUITE)
    assert len(taken.evaluations) == 0
    assert len(taken.episodes) == 4
    assert taken.runs["score"].isna().all()


def test_two_names_for_one_config_share_their_runs(store: Store) -> None:
    twins = SUITE.model_copy(update={"variants": {"x": SUITE.variants["z"], "y": SUITE.variants["z"]}})
    finish(store, 0)
    runs = snapshot(store, twins).runs
    done = runs[runs["state"] == "done"]
    assert done["variant"].tolist() == ["x", "y"]
    assert done["run_id"].nunique() == 1


def equal(one: Snapshot, other: Snapshot) -> bool:
    tables = ("runs", "evaluations", "episodes", "updates", "provenance")
    return one.identity == other.identity and all(
        getattr(one, table).equals(getattr(other, table)) for table in tables
    )


def test_the_same_results_give_the_same_snapshot(
    store: Store, tmp_path_factory: pytest.TempPathFactory
) -> None:
    # In another store, filled in another order.
    other = Store.open(tmp_path_factory.mktemp("other"), create=True)
    for cell in (0, 1, 3):
        finish(store, cell)
    for cell in (3, 1, 0):
        finish(other, cell)
    assert equal(snapshot(store, SUITE), snapshot(other, SUITE))


def identities(store: Store, *suites: Suite) -> set[str]:
    return {snapshot(store, chosen).identity for chosen in suites}


def test_the_identity_changes_with_the_results_and_with_the_suite(store: Store) -> None:
    variants = (
        SUITE,
        SUITE.restricted(seeds="2"),
        SUITE.restricted(only="z"),
        SUITE.model_copy(update={"title": "Another"}),
        SUITE.model_copy(update={"margin": 0.5}),
    )
    seen = identities(store, *variants)
    assert len(seen) == len(variants)
    finish(store, 0)
    after = snapshot(store, SUITE).identity
    assert after not in seen
    lease = store.lease(SUITE.cells()[1].specs[0])
    assert lease is not None
    assert snapshot(store, SUITE).identity == after  # in training is missing
    lease.fail("no", 1, PROVENANCE)
    failed = snapshot(store, SUITE).identity
    assert failed not in {*seen, after}
    lease = store.lease(SUITE.cells()[1].specs[0], retry_failed=True)
    assert lease is not None
    lease.fail("no, for another reason, which the page says", 1, PROVENANCE)
    assert snapshot(store, SUITE).identity not in {*seen, after, failed}


class MoreTricks(ppo.Tricks):
    newcomer: bool = False


class More(ppo.Config):
    tricks: MoreTricks = MoreTricks()


def test_a_new_setting_makes_no_run_and_no_snapshot_another_unless_it_is_on(store: Store) -> None:
    def grown(**tricks: bool) -> Suite:
        fields = SUITE.variants["z"].config.model_dump()
        config = More(**{**fields, "tricks": MoreTricks(**{**fields["tricks"], **tricks})})
        variant = Variant(name="z", algorithm="ppo", config=config)
        return SUITE.model_copy(update={"variants": {**SUITE.variants, "z": variant}})

    run_id = finish(store, 0)
    before, off, on = (snapshot(store, one) for one in (SUITE, grown(), grown(newcomer=True)))
    assert off.runs.equals(before.runs)
    assert off.identity == before.identity != on.identity
    assert run_id in set(off.runs["run_id"]) - set(on.runs["run_id"])


def test_the_untrained_policy_is_a_point_where_all_runs_have_it(store: Store) -> None:
    def with_untrained(cell: int) -> None:
        plain = make_record(cell).evaluations
        first = {name: np.concatenate([[0, 0], column[:2], column[2:]]) for name, column in plain.items()}
        first["episode"][:2] = [0, 1]
        finish(
            store, cell, evaluations={name: first[name].astype(kind) for name, kind in EVALUATIONS.items()}
        )

    with_untrained(0)
    assert snapshot(store, SUITE).evaluations["point"].tolist() == [0, 1, 2, 3]
    finish(store, 1)  # as of schema 1
    assert snapshot(store, SUITE).evaluations["point"].tolist() == [1, 2, 3, 1, 2, 3]


def test_of_very_many_updates_neighbours_are_one_row(store: Store) -> None:
    rows = 5 * MOST_ROWS
    kl = np.arange(rows, dtype=float)
    kl[7] = np.nan  # one of a row
    kl[10:15] = np.inf  # a whole row
    few = {"step": np.array([1, 2]), "mean_kl": np.array([1.0, 2.0]), "max_ratio": np.array([3.0, np.nan])}
    finish(store, 0, updates={"step": np.arange(1, rows + 1), "mean_kl": kl, "max_ratio": kl})
    finish(store, 1, updates=few)
    updates = snapshot(store, SUITE).updates
    many = updates[updates["variant"] == "z"]
    long = many[many["environment"] == "Hopper-v5"]
    assert len(long) == MOST_ROWS
    assert long["step"].tolist()[:2] == [5, 10]
    assert long["step"].iloc[-1] == rows
    assert long["mean_kl"].tolist()[0] == 2.0
    assert long["mean_kl"].tolist()[1] == pytest.approx((5 + 6 + 8 + 9) / 4)
    assert long["max_ratio"].tolist()[:2] == [4.0, 9.0]
    assert long[["mean_kl", "max_ratio"]].iloc[2].isna().all()
    assert many[many["environment"] == "probe/Copy-v0"]["mean_kl"].tolist() == [1.0, 2.0]


def test_reading_is_told_run_by_run(store: Store) -> None:
    told: list[tuple[int, int]] = []
    snapshot(store, SUITE, lambda *now: told.append(now))
    assert told == [(done, 8) for done in range(8)]
