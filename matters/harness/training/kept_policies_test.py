import numpy as np
import pytest

from matters.harness.training.kept_policies import KeptPolicies, next_kept, next_on_grid, restored, unpacked
from matters.suites.spec import Evaluation, RunSpec


def spec(steps, points):
    return RunSpec(
        algorithm="td3",
        algorithm_version=1,
        environment="Hopper-v5",
        config={},
        seed=0,
        steps=steps,
        evaluation=Evaluation(points=points, episodes=1),
    )


def steps_kept(one):
    step, found = -1, []
    while step < one.steps:
        step = next_kept(one, step)
        found.append(step)
    return found


def test_the_grid_is_finer_at_first_and_bounded():
    grid = [0]
    while grid[-1] < 3_000_000:
        grid.append(next_on_grid(grid[-1]))
    assert grid[:4] == [0, 5_000, 10_000, 15_000]
    assert grid[19:23] == [95_000, 100_000, 150_000, 200_000]
    assert grid[38:] == [1_000_000, 1_500_000, 2_000_000, 2_500_000, 3_000_000]


def test_the_grid_does_not_depend_on_how_long_the_run_is():
    short, long = (steps_kept(spec(steps, 1)) for steps in (1_000_000, 3_000_000))
    assert short == [step for step in long if step <= 1_000_000]


def test_a_policy_is_kept_at_every_evaluation_point_too():
    assert steps_kept(spec(250, 4)) == [0, 63, 125, 188, 250]
    assert set(steps_kept(spec(70_000, 7))) == {*range(0, 70_001, 5_000)}
    assert len(steps_kept(spec(1_000_000, 10))) == len(steps_kept(spec(1_000_000, 20))) == 39


def arrays(seed):
    generator = np.random.default_rng(seed)
    return {
        "policy/weight": generator.normal(size=(3, 2)).astype(np.float32),
        "observation/mean": generator.normal(size=3),
    }


@pytest.mark.parametrize("saved", [0, 1, 3])
def test_what_was_kept_comes_back_whatever_was_in_the_file_already(tmp_path, saved):
    kept = KeptPolicies()
    for step in range(saved):
        kept.add(step, arrays(step))
    count = kept.save(tmp_path / "checkpoint.safetensors")
    again = restored(tmp_path / "checkpoint.safetensors", count, arrays(0))
    for step in range(saved, 4):
        again.add(step, arrays(step))
    everything = unpacked(again.all(tmp_path / "checkpoint.safetensors", arrays(0)))
    assert [step for step, _ in everything] == [0, 1, 2, 3]
    for step, found in everything:
        for name, array in arrays(step).items():
            assert found[name].dtype == array.dtype
            assert np.array_equal(found[name], array)


def test_what_a_killed_process_wrote_beyond_its_checkpoint_is_cut_off(tmp_path):
    path = tmp_path / "checkpoint.safetensors"
    kept = KeptPolicies()
    kept.add(0, arrays(0))
    count = kept.save(path)
    kept.add(1, arrays(1))
    kept.save(path)
    with path.with_suffix(".policies").open("ab") as file:
        file.write(b"half of a record")
    again = restored(path, count, arrays(0))
    again.add(2, arrays(2))
    again.save(path)
    assert again.all(path, arrays(0))["step"].tolist() == [0, 2]
    with pytest.raises(OSError, match="has 2 of the 3 records"):
        restored(path, 3, arrays(0))
