import inspect
import math
import statistics
import tempfile
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from stable_baselines3 import DDPG, SAC, TD3
from stable_baselines3.common.noise import NormalActionNoise

from matters.algorithms.interface import Reference
from matters.algorithms.reference import sb3_off_policy
from matters.algorithms.reference.sb3_off_policy import DdpgConfig, SacConfig, Td3Config, build

REFERENCES: list[tuple[Any, type[DdpgConfig]]] = [(DDPG, DdpgConfig), (TD3, Td3Config), (SAC, SacConfig)]
NAMES = [name for name, value in vars(sb3_off_policy).items() if isinstance(value, Reference)]
OWN = {"net_arch"}
"""Ours to name: theirs is an entry of policy_kwargs."""

QUICK = {"batch_size": 8, "net_arch": (8,), "learning_starts": 10}


def environment() -> Any:
    return gymnasium.make("InvertedPendulum-v5")


@pytest.mark.parametrize(("library", "config"), REFERENCES)
def test_a_field_is_an_argument_of_theirs_with_their_default(library: Any, config: type[DdpgConfig]) -> None:
    theirs = inspect.signature(library).parameters
    values = config().model_dump(exclude=OWN)
    assert values == {name: theirs[name].default for name in values}


@pytest.mark.parametrize(("library", "config"), REFERENCES)
def test_the_arguments_that_are_not_fields_change_no_learning_on_boxes_or_are_the_harnesss(
    library: Any, config: type[DdpgConfig]
) -> None:
    others = set(inspect.signature(library).parameters) - set(config.model_fields)
    assert others <= {
        "policy",
        "env",
        "seed",
        "device",  # given by the harness
        "replay_buffer_class",
        "replay_buffer_kwargs",
        "optimize_memory_usage",  # how transitions are kept
        "use_sde",
        "sde_sample_freq",
        "use_sde_at_warmup",
        "policy_kwargs",  # defaults, but for net_arch
        "stats_window_size",
        "tensorboard_log",
        "verbose",
        "_init_setup_model",  # logging
    }


@pytest.mark.parametrize(("library", "config"), REFERENCES)
def test_the_widths_are_those_of_their_default_networks(library: Any, config: type[DdpgConfig]) -> None:
    ours = build(library, config(buffer_size=10), environment(), seed=0).policy
    theirs = library("MlpPolicy", environment(), buffer_size=10, device="cpu").policy
    shapes = [{name: p.shape for name, p in policy.named_parameters()} for policy in (ours, theirs)]
    assert shapes[0] == shapes[1]


def test_noise_on_actions_is_gaussian_of_the_given_scale_and_off_by_default() -> None:
    assert build(TD3, Td3Config(buffer_size=10), environment(), seed=0).action_noise is None
    noise = build(TD3, Td3Config(buffer_size=10, action_noise=0.1), environment(), seed=0).action_noise
    assert isinstance(noise, NormalActionNoise)
    assert (noise._mu == 0).all()
    assert (noise._sigma == 0.1).all()


def told(name: str, ends: list[int], **changes: Any) -> tuple[list[tuple[int, dict[str, float]]], Any]:
    """What a reference told of a run of 40 steps, and its final parameters."""
    reference = getattr(sb3_off_policy, name)
    heard: list[tuple[int, dict[str, float]]] = []
    parameters = reference.train(
        reference.Config(**QUICK | changes),
        environment(),
        seed=1,
        steps=40,
        ends=ends,
        updated=lambda step, metrics, act: heard.append((step, dict(metrics))),
    )
    return heard, parameters


@pytest.mark.parametrize("name", NAMES)
def test_it_tells_where_it_stands_at_the_given_steps_and_nothing_of_learning_before_it_learns(
    name: str,
) -> None:
    heard, _ = told(name, [5, 10, 20, 40])
    assert [step for step, _ in heard] == [0, 5, 10, 20, 40]
    assert [bool(metrics) for _, metrics in heard] == [False, False, False, True, True]
    named = {"critic_loss", "actor_loss", "q_mean"}
    assert set(heard[-1][1]) == named | ({"temperature"} if name == "sac" else set())


@pytest.mark.parametrize("name", NAMES)
def test_what_it_tells_of_a_block_is_the_mean_over_its_gradient_steps_and_telling_changes_nothing(
    name: str,
) -> None:
    each, parameters = told(name, list(range(1, 41)))
    (_, (_, block)), same = told(name, [40])
    for metric, value in block.items():
        steps = [found[metric] for _, found in each if found and not math.isnan(found[metric])]
        assert value == pytest.approx(statistics.fmean(steps), rel=1e-9)
    delayed = sum(math.isnan(found["actor_loss"]) for _, found in each if found)
    assert delayed == (15 if name == "td3" else 0)
    assert all(np.array_equal(parameters[name], same[name]) for name in parameters)


def test_a_fixed_temperature_is_told_too() -> None:
    heard, _ = told("sac", [40], ent_coef=0.2)
    assert heard[-1][1]["temperature"] == pytest.approx(0.2)


def test_a_replay_is_no_larger_than_the_run_and_the_run_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []

    def noted(library: Any, config: DdpgConfig, *arguments: Any, **options: Any) -> Any:
        sizes.append(config.buffer_size)
        return build(library, config, *arguments, **options)

    monkeypatch.setattr(sb3_off_policy, "build", noted)
    _, large = told("td3", [40])
    _, small = told("td3", [40], buffer_size=41)
    assert sizes == [41, 41]
    assert all(np.array_equal(large[name], small[name]) for name in large)


def test_training_leaves_nothing_among_temporary_files(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    told("td3", [40])
    assert list(tmp_path.iterdir()) == []
