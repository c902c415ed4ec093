import numpy as np
import torch

from matters.harness.speed.limit import mujoco_alone, products, record, step_again
from matters.harness.training.environments import Environments


def test_mujoco_alone_goes_where_the_recorded_steps_went_resets_included():
    environments = Environments("Hopper-v5", [np.random.SeedSequence(0)], 3)
    generator = np.random.default_rng(0)

    def act(observation):
        return torch.from_numpy(generator.uniform(-1, 1, (1, 3, 3)).astype(np.float32))

    recorded, _ = record(environments, environments.reset(), act, 80)
    assert len(recorded.lengths) == sum(len(resets) for resets in recorded.resets.values()) > 3
    data = environments.simulators.data
    there = [(one.qpos.copy(), one.qvel.copy()) for one in data]
    for measure in (step_again, mujoco_alone):
        environments.simulators.reset(range(3))
        assert measure(environments, recorded) > 0
        for one, (qpos, qvel) in zip(data, there, strict=True):
            assert np.array_equal(one.qpos, qpos)
            assert np.array_equal(one.qvel, qvel)


def test_products_of_both_libraries_are_counted():
    x, y = torch.zeros(3, 4, 5), torch.zeros(3, 5, 6)
    with products() as counted:
        torch.bmm(x, y)
        torch.baddbmm(torch.zeros(3, 4, 6), x, y)
        np.matmul(x.numpy(), y.numpy())
        _ = x + 1
    assert counted.operations == 3 * (2 * 3 * 4 * 5 * 6)
    assert np.matmul(np.eye(2), np.eye(2)).sum() == 2
