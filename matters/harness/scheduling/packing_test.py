from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from matters.algorithms.interface import Cost, Facts
from matters.harness.scheduling.packing import Task, plan
from matters.suites.spec import Evaluation, RunSpec


@dataclass(frozen=True)
class FakeCell:
    variant: str
    environment: str
    specs: tuple[RunSpec, ...]


def spec(seed, algorithm="ppo", environment="Hopper-v5", steps=1000):
    return RunSpec(
        algorithm=algorithm,
        algorithm_version=1,
        environment=environment,
        config={},
        seed=seed,
        steps=steps,
        evaluation=Evaluation(),
    )


def cell(seeds, variant="ppo", algorithm="ppo", environment="Hopper-v5", steps=1000):
    specs = tuple(spec(seed, algorithm, environment, steps) for seed in range(seeds))
    return FakeCell(variant, environment, specs)


def pending(*cells, start=0):
    return {run.run_id: start for one in cells for run in one.specs}


def facts(name):
    if name.startswith("sb3"):
        return Facts(Cost(0.0, 750.0), alone=True)
    return Facts(Cost(800.0, 8_000.0) if name == "sac" else Cost(140.0, 30.0))


def sizes(tasks):
    return [len(task.specs) for task in tasks]


def test_one_worker_trains_a_cell_as_one_population():
    ten = cell(10)
    (task,) = plan([ten], pending(ten), 1, facts)
    assert task.specs == ten.specs
    assert task.label == "ppo/Hopper-v5"


def test_a_cell_is_split_so_that_every_worker_has_a_part():
    ten = cell(10)
    assert sizes(plan([ten], pending(ten), 2, facts)) == [5, 5]
    assert sorted(sizes(plan([ten], pending(ten), 4, facts))) == [2, 2, 3, 3]
    assert sizes(plan([ten], pending(ten), 64, facts)) == [1] * 10


def test_cells_stay_whole_when_there_are_enough_of_them():
    cells = [cell(5, environment=name) for name in ("A", "B", "C", "D")]
    assert sizes(plan(cells, pending(*cells), 2, facts)) == [5, 5, 5, 5]


def test_references_train_one_run_at_a_time():
    one = cell(5, "sb3-ppo", "sb3-ppo")
    assert sizes(plan([one], pending(one), 1, facts)) == [1] * 5


def test_longest_task_starts_first():
    cells = [cell(3, steps=10, environment="short"), cell(3, steps=1000, environment="long")]
    tasks = plan(cells, pending(*cells), 1, facts)
    assert [task.label for task in tasks] == ["ppo/long", "ppo/short"]


def test_of_equal_steps_the_slower_simulator_starts_first():
    cells = [cell(5, environment=name) for name in ("InvertedPendulum-v5", "Hopper-v5", "Reacher-v5")]
    tasks = plan(cells, pending(*cells), 1, facts)
    order = ["Hopper-v5", "InvertedPendulum-v5", "Reacher-v5"]
    assert [task.label for task in tasks] == [f"ppo/{name}" for name in order]


def test_runs_that_are_not_pending_are_left_alone():
    ten = cell(10)
    some = {run.run_id: 0 for run in ten.specs[:4]}
    (task,) = plan([ten], some, 1, facts)
    assert task.specs == ten.specs[:4]
    assert plan([ten], {}, 2, facts) == ()


def test_runs_at_different_checkpoints_do_not_step_together():
    four = cell(4)
    starts = {run.run_id: 200 * (run.seed % 2) for run in four.specs}
    tasks = plan([four], starts, 1, facts)
    assert {(task.start, tuple(run.seed for run in task.specs)) for task in tasks} == {
        (0, (0, 2)),
        (200, (1, 3)),
    }


def test_a_run_that_two_variants_share_is_planned_once():
    twins = [cell(3, "ppo"), cell(3, "ppo-again")]
    (task,) = plan(twins, pending(*twins), 1, facts)
    assert task.label == "ppo/Hopper-v5"


def test_a_population_is_no_larger_than_memory_has_room_for():
    cells = [cell(10, "sac", "sac"), cell(10)]
    tasks = plan(cells, pending(*cells), 1, facts, {"sac/Hopper-v5": 3})
    assert sizes(task for task in tasks if task.label == "ppo/Hopper-v5") == [10]
    assert sorted(sizes(task for task in tasks if task.label == "sac/Hopper-v5")) == [2, 2, 3, 3]


def test_an_off_policy_run_starts_before_an_on_policy_one_of_ten_times_the_steps():
    cells = [cell(1, steps=1000), cell(1, "sac", "sac", steps=100)]
    assert [task.label for task in plan(cells, pending(*cells), 1, facts)] == [
        "sac/Hopper-v5",
        "ppo/Hopper-v5",
    ]


@given(
    seeds=st.lists(st.integers(1, 12), min_size=1, max_size=6),
    workers=st.integers(1, 9),
    references=st.booleans(),
    limit=st.integers(1, 12),
)
def test_every_pending_run_is_planned_exactly_once(seeds, workers, references, limit):
    cells = [cell(n, environment=str(i)) for i, n in enumerate(seeds)]
    if references:
        cells.append(cell(3, "sb3-ppo", "sb3-ppo"))
    tasks = plan(cells, pending(*cells), workers, facts, {"ppo/0": limit})
    assert all(len(task.specs) <= limit for task in tasks if task.label == "ppo/0")
    planned = [run.run_id for task in tasks for run in task.specs]
    assert sorted(planned) == sorted(pending(*cells))
    assert all(isinstance(task, Task) and task.cost > 0 for task in tasks)
    assert [task.cost for task in tasks] == sorted((task.cost for task in tasks), reverse=True)
