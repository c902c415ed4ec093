import numpy as np
import pytest
import torch

from matters.algorithms.maths.categorical import categorical_log_probs
from matters.algorithms.parts.discretised_policy import DiscretisedPolicy
from matters.algorithms.parts.mlp import Mlp, glorot
from matters.algorithms.parts.theta import Theta

POLICY = DiscretisedPolicy(Mlp((3, 8, 10), True), (-1.0, -0.3), (1.0, 0.1), 5)


def theta() -> Theta:
    rows = [3 * POLICY.initial(np.random.default_rng(seed), glorot) for seed in range(2)]
    return Theta.of(rows, POLICY.layout)


def test_actions_are_atoms_from_bound_to_bound_as_often_as_their_probabilities_say() -> None:
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(2, 40_000, 2, generator=generator)
    observation = torch.ones(2, 40_000, 3)
    action, record = POLICY.sample(theta(), observation, noise)
    (logits,) = POLICY.recorded(record)
    p = categorical_log_probs(logits[:, :1]).exp()[:, 0]
    for axis, (low, high) in enumerate(zip(POLICY.low, POLICY.high, strict=True)):
        atoms = torch.linspace(low, high, 5)
        own = action[..., axis]
        found = torch.stack([(own - atom).abs() < 1e-6 for atom in atoms], -1).double()
        assert (found.sum(-1) == 1).all()
        torch.testing.assert_close(found.mean(1), p[:, axis].double(), atol=0.015, rtol=0)
    assert p.max() > 0.4


def test_without_noise_it_is_the_likeliest_atom_and_nothing_is_recorded() -> None:
    observation = torch.randn(2, 4, 3, generator=torch.Generator().manual_seed(0))
    action, record = POLICY.sample(theta(), observation, None)
    (logits,) = POLICY(theta().views, observation)
    low, width = torch.tensor(POLICY.low), torch.tensor(POLICY.high) - torch.tensor(POLICY.low)
    torch.testing.assert_close(action, low + width * logits.argmax(-1) / 4)
    assert record.shape == (2, 4, 0)


def test_the_probability_of_an_action_is_that_of_its_atoms() -> None:
    observation = torch.ones(2, 6, 3)
    noise = torch.randn(2, 6, 2, generator=torch.Generator().manual_seed(1))
    action, record = POLICY.sample(theta(), observation, noise)
    distribution = POLICY.recorded(record)
    log_p = categorical_log_probs(*distribution)
    index = ((action - torch.tensor(POLICY.low)) / torch.tensor([2.0, 0.4]) * 4).round().long()
    expected = sum(log_p[:, :, axis].gather(-1, index[..., axis, None])[..., 0] for axis in (0, 1))
    torch.testing.assert_close(POLICY.log_prob(distribution, action), expected)


def test_probabilities_sum_to_one_however_large_logits_are() -> None:
    logits = torch.tensor([[[[1e4, 0.0, -1e4], [500.0, 500.0, 500.0]]]])
    p = categorical_log_probs(logits).exp()
    torch.testing.assert_close(p.sum(-1), torch.ones(1, 1, 2))
    torch.testing.assert_close(p[0, 0, 1], torch.full((3,), 1 / 3))


def test_a_uniform_policy_has_the_most_entropy_and_no_kl_to_itself() -> None:
    uniform = (torch.zeros(1, 1, 2, 5),)
    other = (torch.randn(1, 1, 2, 5, generator=torch.Generator().manual_seed(2)),)
    assert float(POLICY.entropy(uniform)) == pytest.approx(2 * np.log(5))
    assert float(POLICY.entropy(other)) < float(POLICY.entropy(uniform))
    assert float(POLICY.kl(other, other)) == pytest.approx(0, abs=1e-6)
    assert float(POLICY.kl(other, uniform)) > 0.1


def test_unbounded_actions_are_refused_in_a_line_that_names_the_axis() -> None:
    with pytest.raises(ValueError, match=r"policy = 'discretised': needs bounded actions; axis 1"):
        DiscretisedPolicy(Mlp((3, 8, 10)), (-1.0, -np.inf), (1.0, 1.0), 5)
