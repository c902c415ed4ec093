"""V-trace: its definition as rlax has it, and what it is where the policy itself acted."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from matters.algorithms.maths.advantages import generalised_advantage
from matters.algorithms.maths.v_trace import v_trace


def drawn(steps: int = 12, environments: int = 2, dtype: torch.dtype = torch.float64) -> dict[str, Tensor]:
    rng = np.random.default_rng(0)
    shape = (3, steps, environments)
    ends = rng.random(shape)
    numbers = {name: torch.from_numpy(rng.standard_normal(shape)).to(dtype) for name in ("reward", "value")}
    return numbers | {
        "value_next": torch.from_numpy(rng.standard_normal(shape)).to(dtype),
        "terminated": torch.from_numpy(ends < 0.1),
        "ended": torch.from_numpy(ends < 0.2),
        "ratio": torch.from_numpy(np.exp(0.7 * rng.standard_normal(shape))).to(dtype),
    }


def rlax(v_tm1, v_t, r_t, discount_t, rho_tm1, lambda_, clip_rho, clip_pg):
    """vtrace_td_error_and_advantage of rlax (rlax/_src/vtrace.py, commit 0c61fbd), written down from it."""
    c = np.minimum(1.0, rho_tm1) * lambda_
    td = np.minimum(clip_rho, rho_tm1) * (r_t + discount_t * v_t - v_tm1)
    errors, err = np.zeros_like(td), 0.0
    for i in reversed(range(len(td))):
        errors[i] = err = td[i] + discount_t[i] * c[i] * err
    targets = errors + v_tm1
    bootstrap = np.append(lambda_ * targets[1:] + (1 - lambda_) * v_tm1[1:], v_t[-1])
    return errors, np.minimum(clip_pg, rho_tm1) * (r_t + discount_t * bootstrap - v_tm1)


@pytest.mark.parametrize("trace_lambda", [1.0, 0.9, 0.0])
@pytest.mark.parametrize("ratio_clip", [1.0, 2.0])
def test_v_trace_is_rlaxs(trace_lambda: float, ratio_clip: float) -> None:
    parts = drawn()
    # One episode after another without a time limit, V of the next step being that of its observation.
    parts["terminated"] = parts["ended"]
    parts["value_next"][:, :-1] = torch.where(
        parts["ended"][:, :-1], parts["value_next"][:, :-1], parts["value"][:, 1:]
    )
    advantage, error = v_trace(
        **parts, discount=0.9, trace_lambda=trace_lambda, ratio_clip=ratio_clip, trace_clip=1.0
    )
    for s, n in np.ndindex(3, 2):
        own = {name: part[s, :, n].numpy() for name, part in parts.items()}
        errors, advantages = rlax(
            own["value"], own["value_next"], own["reward"], 0.9 * ~own["terminated"], own["ratio"],
            trace_lambda, ratio_clip, ratio_clip,
        )  # fmt: skip
        np.testing.assert_allclose(error[s, :, n], errors, atol=1e-14)
        np.testing.assert_allclose(advantage[s, :, n], advantages, atol=1e-14)


@pytest.mark.parametrize("trace_lambda", [1.0, 0.9, 0.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_where_the_policy_itself_acted_v_trace_is_the_generalised_advantage_bit_for_bit(
    trace_lambda: float, dtype: torch.dtype
) -> None:
    parts = drawn(dtype=dtype)
    parts["ratio"] = torch.ones_like(parts["ratio"])
    advantage, error = v_trace(
        **parts, discount=0.9, trace_lambda=trace_lambda, ratio_clip=1.0, trace_clip=1.0
    )
    del parts["ratio"]
    expected = generalised_advantage(**parts, discount=0.9, gae_lambda=trace_lambda)
    assert torch.equal(advantage, expected)
    assert torch.equal(error, expected)


def test_with_the_target_alone_for_the_next_value_it_is_not_for_lambda_below_1() -> None:
    # scalable_agent's advantage, r + γ v_{t+1} − V: the trap that further systems fell into.
    parts = drawn(environments=1)
    nowhere = torch.zeros_like(parts["ended"])
    value = parts["value"]
    value_next = torch.cat([value[:, 1:], parts["value_next"][:, -1:]], 1)
    whole: dict[str, Any] = {"terminated": nowhere, "ended": nowhere}
    whole |= {"value_next": value_next, "value": value}
    for trace_lambda, same in ((1.0, True), (0.9, False)):
        _, error = v_trace(
            reward=parts["reward"], ratio=torch.ones_like(value), **whole, discount=0.9,
            trace_lambda=trace_lambda, ratio_clip=1.0, trace_clip=1.0,
        )  # fmt: skip
        target_next = torch.cat([(value + error)[:, 1:], value_next[:, -1:]], 1)
        theirs = parts["reward"] + 0.9 * target_next - value
        expected = generalised_advantage(parts["reward"], **whole, discount=0.9, gae_lambda=trace_lambda)
        assert torch.allclose(theirs, expected, atol=1e-12) == same


def test_v_traces_fixed_point_is_the_value_of_the_policy_that_its_clip_makes() -> None:
    # Espeholt et al. 2018, equation 3: π_ρ̄ ∝ min(ρ̄ μ, π). One state, two actions, rewards 0 and 1, γ = 0.
    mu, pi = np.array([0.8, 0.2]), np.array([0.3, 0.7])
    for clip in (0.5, 1.0, 10.0):
        between = np.minimum(clip * mu, pi)
        expected = between[1] / between.sum()
        value = 0.0
        for _ in range(2000):
            value += 0.1 * float(mu @ (np.minimum(clip, pi / mu) * (np.array([0.0, 1.0]) - value)))
        assert value == pytest.approx(expected)
    assert expected == pytest.approx(0.7), "with a wide clip it is the value of π"
