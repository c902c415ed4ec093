import platform
import subprocess
import sys
from dataclasses import dataclass

import pytest

from matters.algorithms import ALGORITHMS, load
from matters.harness.cli import call
from matters.harness.scheduling import memory
from matters.harness.scheduling.memory import MB, RUN, SHARE, WORKER, limits, run_bytes, state_bytes
from matters.results.store import Store
from matters.suites.errors import InputError
from matters.suites.spec import Evaluation, RunSpec


@dataclass(frozen=True)
class FakeCell:
    variant: str
    environment: str
    specs: tuple[RunSpec, ...]


def spec(algorithm, *, environment="HalfCheetah-v5", steps=1_000_000, preset=None, **changes):
    rule = load(algorithm)
    config = rule.PRESETS[preset or algorithm].model_dump(mode="json") | changes
    return RunSpec(
        algorithm=algorithm,
        algorithm_version=rule.VERSION,
        environment=environment,
        config=config,
        seed=0,
        steps=steps,
        evaluation=Evaluation(),
    )


def cell(algorithm, **options):
    one = spec(algorithm, **options)
    return FakeCell(algorithm, one.environment, (one,))


def test_a_full_replay_is_most_of_what_an_off_policy_run_takes():
    # 4 (17 + 6 + 1) + 1 bytes a step.
    assert 97e6 < run_bytes(spec("td3")) - run_bytes(spec("td3", buffer_size=1000)) < 115e6


def test_a_run_shorter_than_its_buffer_takes_what_its_steps_do():
    assert run_bytes(spec("td3", steps=5000)) == run_bytes(spec("td3", buffer_size=5000))


def test_a_wider_network_and_a_longer_rollout_take_more():
    assert run_bytes(spec("ppo", hidden=[1000, 1000])) > run_bytes(spec("ppo")) + 3 * 2 * 4 * 1_000_000
    assert run_bytes(spec("ppo", horizon=100_000)) > run_bytes(spec("ppo")) + 98_000 * 4 * (2 * 17 + 6 + 2)


def test_a_large_batch_takes_more():
    # Of two critics of 23, 256, 256 and 1 units: 13 KB a transition were seen.
    more = run_bytes(spec("sac", batch_size=20_000)) - run_bytes(spec("sac", batch_size=10_000))
    assert 10_000 * 13_000 < more < 10_000 * 20_000


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_every_algorithm_can_be_estimated(algorithm):
    assert RUN <= run_bytes(spec(algorithm, steps=1000)) < RUN + 60 * MB


def test_a_final_state_takes_what_its_steps_and_its_networks_do():
    # 4 (17 + 6 + 1) + 1 bytes a step, and numbers of 4 bytes: about 70 000 of policy and 2 · 2 · 75 000 of
    # critics and targets, most of them thrice for Adam.
    assert state_bytes(spec("sac", steps=1_000_000)) - state_bytes(spec("sac", steps=1)) == 97 * 999_999
    assert 2e6 < state_bytes(spec("sac", steps=1)) < 6e6


def test_ten_half_cheetahs_fit_into_what_they_were_seen_to_take():
    for algorithm in ("ddpg", "td3", "sac"):
        assert 1.6e9 < WORKER + 10 * run_bytes(spec(algorithm)) < 2.2e9


def test_as_many_runs_train_together_as_fit_beside_the_other_workers():
    one = cell("sac")
    takes = run_bytes(one.specs[0])
    for runs, workers in ((1, 1), (4, 1), (3, 2), (7, 3)):
        enough = int(workers * (WORKER + runs * takes) / SHARE) + workers
        assert limits([one], workers, enough) == {"sac/HalfCheetah-v5": runs}
        assert limits([one], workers, enough + takes // 2) == {"sac/HalfCheetah-v5": runs}


def test_what_does_not_fit_is_refused_in_one_line_that_says_what_would_help():
    one = cell("sac", environment="Humanoid-v5")
    needs = WORKER + run_bytes(one.specs[0])
    with pytest.raises(InputError) as refused:
        limits([cell("td3"), one], 4, 3 * needs)
    assert str(refused.value) == (
        "sac on Humanoid-v5: one run needs 2.2 GB of memory, and of the 6.6 GB available each of 4 workers "
        "may take 1.3 GB; try --workers 2 or buffer_size below 1000000"
    )
    with pytest.raises(InputError, match=r"each of 1 workers .* try buffer_size below 1000000"):
        limits([one], 1, needs)
    with pytest.raises(InputError, match=r"ppo on HalfCheetah-v5: .* try a smaller network"):
        limits([cell("ppo")], 1, WORKER)


SUITE = """
[suite]
name = "large"
title = "One run that is too large"
environments = ["InvertedPendulum-v5"]
seeds = 1
steps = 1000
questions = []

[variants.sac]
algorithm = "sac"
config = { warmup = 100 }
"""


@pytest.mark.parametrize("store_exists", [False, True])
def test_a_suite_that_does_not_fit_is_refused_before_anything_is_written(
    tmp_path, monkeypatch, capsys, store_exists
):
    suite, store = tmp_path / "large.toml", tmp_path / "runs"
    suite.write_text(SUITE)
    if store_exists:
        Store.open(store, create=True)
    before = sorted(tmp_path.rglob("*"))
    monkeypatch.setattr(memory, "available_bytes", lambda: 500 * MB)
    assert call(["run", str(suite), "--store", str(store), "--workers", "2"]) == 2
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1
    assert "sac on InvertedPendulum-v5: one run needs" in said[0]
    assert sorted(tmp_path.rglob("*")) == before


def test_what_is_available_is_measured_here():
    assert 100 * MB < memory.available_bytes() < 10**14


def test_the_limits_of_a_control_group_and_of_those_above_it_count(tmp_path):
    membership, groups = tmp_path / "cgroup", tmp_path / "groups"
    inner = groups / "job" / "step"
    inner.mkdir(parents=True)
    membership.write_text("0::/job/step\n")
    (inner / "memory.max").write_text("max\n")
    (groups / "job" / "memory.max").write_text("1000\n")
    (groups / "job" / "memory.stat").write_text("anon 300\nfile 600\n")
    assert memory._left_in_group(membership, groups) == [700]
    assert memory._left_in_group(tmp_path / "none", groups) == []


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="thresholds of another C library")
def test_memory_that_is_freed_is_there_for_the_next_step():
    script = """
import resource
import numpy as np
from matters.harness.training.allocator import keep_freed_memory

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        [np.ones(100_000, dtype=np.uint8) for _ in range(100)]
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

faults()
handed_back = faults()
keep_freed_memory()
faults()
print(handed_back, faults())
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    handed_back, kept = map(int, done.stdout.split())
    assert handed_back > 10_000
    assert kept < handed_back / 100
