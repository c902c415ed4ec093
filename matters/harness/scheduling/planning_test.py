from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from matters.algorithms import load
from matters.harness.scheduling import planning
from matters.harness.scheduling.packing import step_cost, updating
from matters.harness.scheduling.planning import Outlay, outlays, total
from matters.results.conftest import PROVENANCE, make_record
from matters.results.store import Store
from matters.suites.loading import load_suite
from matters.suites.spec import Cell
from matters.suites.suite import Suite

TOML = """
[suite]
name = "planned"
title = "Planned"
environments = ["Hopper-v5", "Reacher-v5"]
seeds = 4
steps = 100_000
questions = ["reproduction"]

[variants.ppo]
algorithm = "ppo"

[variants.sac]
algorithm = "sac"

[variants.sb3-ppo]
algorithm = "sb3-ppo"
"""


@pytest.fixture
def suite(tmp_path: Path) -> Suite:
    path = tmp_path / "planned.toml"
    path.write_text(TOML)
    return load_suite(str(path))


def outlay(store: Store | None, cells: Sequence[Cell], workers: int) -> Outlay:
    (found,) = outlays(store, [cells], workers)
    return found


def finish(store: Store, suite: Suite, variant: str, environment: str, seeds: int, slower: float) -> None:
    """Runs of one population that took so many times longer than the table of costs says."""
    (cell,) = [cell for cell in suite.cells() if (cell.variant, cell.environment) == (variant, environment)]
    for spec in cell.specs[:seeds]:
        seconds = 1e-6 * slower * step_cost(spec, seeds, load(spec.algorithm).FACTS)
        facts = {"population": list(range(seeds)), "steps_per_second": seeds / seconds}
        lease = store.lease(spec)
        assert lease is not None
        lease.finish(make_record(spec.seed), {**PROVENANCE, **facts})


def test_what_is_done_is_not_planned_and_the_store_says_how_fast_this_machine_is(
    suite: Suite, tmp_path: Path
) -> None:
    store = Store.open(tmp_path / "runs", create=True)
    unknown = outlay(None, suite.cells(), 2)
    assert (unknown.runs, unknown.done, unknown.measured) == (24, 0, 0)
    finish(store, suite, "ppo", "Hopper-v5", 2, slower=3.0)
    known = outlay(store, suite.cells(), 2)
    assert (known.runs, known.done, known.measured) == (22, 2, 2)
    # All that is left goes at the only speed that is known, three times as slow as the table.
    only = [cell for cell in suite.cells() if cell.variant == "sb3-ppo"]
    assert outlay(store, only, 2).core_hours == pytest.approx(3 * outlay(None, only, 2).core_hours)
    # A cell's own speed comes before its algorithm's, that before all others'.
    finish(store, suite, "ppo", "Reacher-v5", 2, slower=1.0)
    reacher = [cell for cell in suite.cells() if (cell.variant, cell.environment) == ("ppo", "Reacher-v5")]
    half = [type(cell)(cell.variant, cell.environment, cell.specs[2:]) for cell in reacher]
    assert outlay(store, reacher, 1).core_hours == pytest.approx(outlay(None, half, 1).core_hours)


def test_parts_that_are_trained_in_turn_cost_the_sum_and_need_room_for_the_largest(suite: Suite) -> None:
    parts = [[cell for cell in suite.cells() if cell.variant == name] for name in ("ppo", "sac")]
    each = outlays(None, parts, 2)
    assert each == [outlay(None, cells, 2) for cells in parts]
    both = total(each)
    assert both.hours == pytest.approx(sum(part.hours for part in each))
    assert (both.runs, both.memory_bytes) == (16, max(part.memory_bytes for part in each))
    assert total(each[:1]) == each[0]


def test_no_number_of_workers_ends_before_the_longest_population(suite: Suite) -> None:
    few, many = outlay(None, suite.cells(), 1), outlay(None, suite.cells(), 24)
    assert few.hours == pytest.approx(few.core_hours)
    assert many.hours >= many.longest_hours
    assert many.hours < few.hours


def test_replays_take_room_only_while_they_are_in_use(suite: Suite) -> None:
    off_policy = [cell for cell in suite.cells() if cell.variant == "sac"]
    # Two populations of four, of which one trains at a time: 100 bytes a step of Hopper.
    assert outlay(None, off_policy, 1).scratch_bytes == pytest.approx(4 * 100_000 * 100, rel=0.2)
    assert outlay(None, [cell for cell in suite.cells() if cell.variant == "ppo"], 1).scratch_bytes == 0


def test_a_disk_with_less_room_than_the_runs_will_take_is_said_before_they_are_trained(
    suite: Suite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lacks(cells: Sequence[Cell], free: int, *, retry_failed: bool = False) -> str:
        monkeypatch.setattr(planning, "free_bytes", lambda _: free)
        return planning.lack_of_room(store, [cells], 1, retry_failed=retry_failed)

    store = Store.open(tmp_path / "runs", create=True)
    # It is said exactly where the plan does not fit; of the replays, those of one population at a time count.
    found = outlay(store, suite.cells(), 1)
    needed = found.disk_bytes + found.scratch_bytes
    assert lacks(suite.cells(), needed) == ""
    said = lacks(suite.cells(), needed - 1)
    assert said.endswith("MB are free: training will pause before it is full")
    finish(store, suite, "ppo", "Hopper-v5", 3, slower=1.0)
    (ppo,) = [one for one in suite.cells() if (one.variant, one.environment) == ("ppo", "Hopper-v5")]
    lease = store.lease(ppo.specs[3])
    assert lease is not None
    lease.fail("no", 40, PROVENANCE)
    # A failed run is trained again only if that is asked for.
    assert lacks([ppo], 0) == ""
    assert lacks([ppo], 0, retry_failed=True) != ""


def test_failed_runs_are_planned_only_where_they_are_trained_again_and_then_from_their_beginning(
    suite: Suite, tmp_path: Path
) -> None:
    store = Store.open(tmp_path / "runs", create=True)
    ppo = [one for one in suite.cells() if (one.variant, one.environment) == ("ppo", "Hopper-v5")]
    for spec in ppo[0].specs[:2]:
        lease = store.lease(spec)
        assert lease is not None
        lease.fail("no", 40_000 + spec.seed, PROVENANCE)
    (left,), (again,) = (outlays(store, [ppo], 1, retry_failed=retried) for retried in (False, True))
    assert (left.runs, left.done) == (2, 2)
    assert again == outlay(None, ppo, 1), "all four, in one population"


def test_finished_runs_of_a_module_that_is_not_here_do_not_keep_others_from_being_planned(
    suite: Suite, tmp_path: Path
) -> None:
    store = Store.open(tmp_path / "runs", create=True)
    finish(store, suite, "ppo", "Hopper-v5", 2, slower=3.0)
    lease = store.lease(suite.cells()[0].specs[2].model_copy(update={"algorithm": "mine.linear"}))
    assert lease is not None
    lease.finish(make_record(2), {**PROVENANCE, "population": [2], "steps_per_second": 1.0})
    assert outlay(store, suite.cells(), 2).measured == 2


def test_small_networks_cost_little_a_run_so_that_few_runs_tell_how_long_many_take() -> None:
    facts = load("td3").FACTS
    small = {"hidden": [32, 32], "batch_size": 32}
    large = {"hidden": [256, 256], "batch_size": 256}
    (spec,) = [spec for spec in load_suite("nine").cells() if spec.variant.startswith("td3")][:1]

    def cost(config: dict[str, Any], together: int) -> float:
        return step_cost(spec.specs[0].model_copy(update={"config": config}), together, facts)

    assert cost(small, 4) < 1.5 * cost(small, 1)
    assert cost(large, 4) > 3.5 * cost(large, 1)
    assert cost({**large, "train_every": 2}, 1) < cost(large, 1) < cost({**large, "gradient_steps": 2}, 1)
    assert updating({}) == updating(large) == 1.0
