"""Each kind of file that people have: its runs, steps, returns and kind, or a refusal with the reason."""

import gzip
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from matters.results.imported.readers.event_files import _masked_crc
from matters.results.imported.reading import Said, read
from matters.results.imported.runs import ForeignRun
from matters.suites.errors import InputError

ONE = Said(variant="ppo", environment="Hopper-v5", seeds=(3,))


def put(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def table(header: str, *rows: str) -> str:
    return "\n".join([header, *rows]) + "\n"


def record(event: bytes) -> bytes:
    length = struct.pack("<Q", len(event))
    return length + struct.pack("<I", _masked_crc(length)) + event + struct.pack("<I", _masked_crc(event))


def varint(value: int) -> bytes:
    found = b""
    while value > 127:
        found, value = found + bytes([value & 127 | 128]), value >> 7
    return found + bytes([value])


def events(tag: str, *points: tuple[int, float], time: float = 1.0) -> bytes:
    """An event file with one scalar per point, as TensorBoard's protocol buffers have it."""
    found = record(b"\x09" + struct.pack("<d", time))
    for step, value in points:
        summary = b"\x0a" + varint(len(tag)) + tag.encode() + b"\x15" + struct.pack("<f", value)
        message = b"\x0a" + varint(len(summary)) + summary
        found += record(
            b"\x09"
            + struct.pack("<d", time)
            + b"\x10"
            + varint(step)
            + b"\x2a"
            + varint(len(message))
            + message
        )
    return found


def monitor(*rows: str, start: float = 100.0) -> str:
    return f'#{{"t_start": {start}, "env_id": "Hopper-v5"}}\n' + table("r,l,t", *rows)


def npz(folder: Path, name: str = "evaluations.npz", **arrays: Any) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, **arrays)
    return path


def npy(folder: Path, name: str, array: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / name, array)
    return folder / name


def points(run: ForeignRun) -> list[tuple[int, float]]:
    return list(zip(run.steps, run.returns, strict=True))


TWO = [(1000, 1.0), (2000, 2.5)]

FILES: dict[str, tuple[str, str | bytes, list[tuple[int, float]], str]] = {
    "sb3 progress, evaluated": (
        "progress.csv",
        table("rollout/ep_rew_mean,time/total_timesteps,eval/mean_reward", "9,500,", "9,1000,1", ",2000,2.5"),
        TWO,
        "evaluation",
    ),
    "sb3 progress, not evaluated": (
        "progress.csv",
        table("time/total_timesteps,rollout/ep_rew_mean,train/loss", "500,,3", "1000,1,", "2000,2.5,"),
        TWO,
        "training",
    ),
    "spinning up, with test returns": (
        "progress.txt",
        table("Epoch\tAverageEpRet\tAverageTestEpRet\tTotalEnvInteracts", "1\t9\t1\t1000", "2\t9\t2.5\t2000"),
        TWO,
        "evaluation",
    ),
    "spinning up, without": (
        "progress.txt",
        table("Epoch\tAverageEpRet\tStdEpRet\tTotalEnvInteracts", "1\t1\t9\t1000", "2\t2.5\t9\t2000"),
        TWO,
        "training",
    ),
    "spinning up, cut off": (
        "progress.txt",
        "Epoch\tAverageEpRet\tTotalEnvInteracts\n1\t1\t1000\n2\t2.5\t2000\n3\t7",
        TWO,
        "training",
    ),
    "rllib progress": (
        "progress.csv",
        table(
            "episode_reward_mean,hist_stats/episode_reward,timesteps_total",
            'nan,"[]",0',
            '1,"[1.0, 1.0]",1000',
            '2.5,"[2.0, 3.0]",2000',
        ),
        TWO,
        "training",
    ),
    "rllib progress, new stack": (
        "progress.csv",
        table("env_runners/episode_return_mean,num_env_steps_sampled_lifetime", "1,1000", "2.5,2000"),
        TWO,
        "training",
    ),
    "rllib result": (
        "result.json",
        '{"timesteps_total": 1000, "episode_reward_mean": 1.0}\n'
        '{"timesteps_total": 2000, "episode_reward_mean": 2.5, "config": {"env": "Hopper-v5"}}\n{"timest',
        TWO,
        "training",
    ),
    "baselines": (
        "progress.csv",
        table("eplenmean,eprewmean,misc/total_timesteps", "9,1,1000", "9,2.5,2000"),
        TWO,
        "training",
    ),
    "baselines ddpg": (
        "progress.csv",
        table("rollout/return_history,total/steps", "1,1000", "2.5,2000"),
        TWO,
        "training",
    ),
    "garage": (
        "progress.csv",
        table(
            "Evaluation/AverageDiscountedReturn,Evaluation/AverageReturn,TotalEnvSteps",
            "9,1,1000",
            "9,2.5,2000",
        ),
        TWO,
        "unstated",
    ),
    "rllab with replaced rewards": (
        "progress.csv",
        table("AverageReturn,TrueAverageReturn,TotalTimesteps", "9,1,1000", "9,2.5,2000"),
        TWO,
        "unstated",
    ),
    "ppo-pytorch": (
        "PPO_log.csv",
        table("episode,timestep,reward", "5,1000,1", "9,2000,2.5"),
        TWO,
        "training",
    ),
    "xuance": ("learning_curve.csv", table("step,avg_return", "1000,1", "2000,2.5"), TWO, "evaluation"),
    "pytorch_sac": (
        "eval.csv",
        table("episode,episode_reward,step", "5,1,1000", "9,2.5,2000"),
        TWO,
        "evaluation",
    ),
    "acme's evaluator": (
        "logs/evaluator/logs.csv",
        table("actor_steps,episode_length,episode_return", "1000,9,1", "2000,9,2.5"),
        TWO,
        "evaluation",
    ),
    "tensorboard's csv": (
        "run-PPO_1-tag-eval_mean_reward.csv",
        table("Wall time,Step,Value", "17.5,1000,1", "18.5,2000,2.5"),
        TWO,
        "evaluation",
    ),
    "tensorboard's json": (
        "run-tag-rollout_ep_rew_mean.json",
        "[[17.5, 1000, 1.0], [18.5, 2000, 2.5]]",
        TWO,
        "training",
    ),
    "w&b, one run": (
        "wandb_export_2026.csv",
        table(
            "global_step,ppo - charts/episodic_return,ppo - charts/episodic_return__MIN,"
            "ppo - charts/episodic_return__MAX",
            '"1000","1","0","9"',
            '"1500","","",""',
            '"2000","2.5","0","9"',
        ),
        TWO,
        "training",
    ),
    "semicolons, capitals, gzip": (
        "curve.CSV.gz",
        gzip.compress(b"Step;Avg_Return\r\n1000;1\r\n\r\n2000;2.5\r\n"),
        TWO,
        "unstated",
    ),
    "cleanrl": (
        "events.out.tfevents.1",
        events("charts/episodic_return", (1000, 1.0), (2000, 2.0), (2000, 3.0)),
        [(1000, 1.0), (2000, 2.0), (2000, 3.0)],
        "training",
    ),
    "a monitor": ("monitor.csv", monitor("1,1000,1", "2.5,1000,2"), TWO, "training"),
    "a monitor that went on": (
        "monitor.csv",
        monitor("1,1000,1") + monitor("2.5,1000,1", start=900.0),
        TWO,
        "training",
    ),
    "a monitor with a blank line, cut off": (
        "monitor.csv",
        monitor("1,1000,1", "", "2.5,1000,2") + "30,10",
        TWO,
        "training",
    ),
    "a monitor with an episode of no step": (
        "monitor.csv",
        monitor("1,1000,1", "2.5,0,2"),
        [(1000, 1.0), (1000, 2.5)],
        "training",
    ),
    "an older monitor": (
        "monitor.csv",
        '# {"t_start": 1, "gym_version": "0.9", "env_id": "Hopper-v5"}\n'
        + table("r,l,t", "1,1000,1", "2.5,1000,2"),
        TWO,
        "training",
    ),
    "a monitor of JSON": (
        "0.monitor.json",
        '{"t_start": 1, "env_id": "Hopper-v5"}\n{"r": 1.0, "l": 1000, "t": 1}\n'
        '{"r": 2.5, "l": 1000, "t": 2}\n{"r',
        TWO,
        "training",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", FILES)
def test_a_run_of_each_kind_has_its_steps_and_returns(tmp_path: Path, kind: str) -> None:
    name, content, expected, returns_of = FILES[kind]
    (run,) = read([put(tmp_path, name, content)], ONE)
    assert (points(run), run.returns_of, run.key) == (expected, returns_of, ("ppo", "Hopper-v5", 3))


def test_evaluations_with_floats_and_with_means_alone(tmp_path: Path) -> None:
    for results in ([[1.0], [2.5]], [1.0, 2.5], [[0.0, 2.0], [2.0, 3.0]]):
        path = npz(tmp_path, timesteps=np.array([1000.0, 2000.0]), results=np.array(results))
        assert points(read([path], ONE)[0]) == TWO


def test_td3s_array_has_its_names_and_asks_for_the_steps(tmp_path: Path) -> None:
    path = npy(tmp_path, "TD3_Hopper-v1_7.npy", np.array([0.5, 1.0, 2.5]))
    with pytest.raises(InputError, match="3 rows without steps: say --every N"):
        read([path], Said())
    (run,) = read([path], Said(every=5000))
    assert run.key == ("TD3", "Hopper-v1", 7)
    assert points(run) == [(0, 0.5), (5000, 1.0), (10000, 2.5)]


def test_a_wide_text_has_a_run_per_column_and_one_that_ends_early_diverged(tmp_path: Path) -> None:
    path = put(tmp_path, "sac.txt", "1.0 10\n2.0 20\n3.0 nan\n")
    with pytest.raises(InputError, match="no header; if its columns are runs, say --every N"):
        read([path], ONE)
    runs = read([path], Said("sac", "HalfCheetah-v2", (11307, 2), every=5000))
    assert [(run.seed, points(run), run.diverged_at) for run in runs] == [
        (11307, [(0, 1.0), (5000, 2.0), (10000, 3.0)], None),
        (2, [(0, 10.0), (5000, 20.0)], 10000),
    ]


def test_a_seed_column_makes_many_runs_of_a_table(tmp_path: Path) -> None:
    path = put(
        tmp_path, "tdmpc2.csv", table("step,reward,seed", "0,1,1", "500,2,1", "0,3,11307", "500,4,11307")
    )
    runs = read([path], Said("tdmpc2", "walker-walk"))
    assert [(run.seed, run.returns) for run in runs] == [(1, (1.0, 2.0)), (11307, (3.0, 4.0))]
    path = put(tmp_path, "own.csv", table("t,score,trial", "0,1,1", "500,2,1", "0,3,5", "500,4,5"))
    runs = read([path], Said("a", "b", step="t", returns="score", seed="trial"))
    assert [run.seed for run in runs] == [1, 5]


def test_cleanrls_table_says_all_of_its_runs(tmp_path: Path) -> None:
    rows = [f"ppo,Hopper-v5,{seed},{step},{seed + step}" for seed in (1, 2) for step in (10, 20)]
    path = put(tmp_path, "all.csv", table("exp_name,env_id,seed,global_step,charts/episodic_return", *rows))
    assert [run.key for run in read([path], Said())] == [("ppo", "Hopper-v5", 1), ("ppo", "Hopper-v5", 2)]


def test_dreamers_list_is_a_run_each(tmp_path: Path) -> None:
    runs = [
        {
            "task": "dmc_walker_walk",
            "method": "dreamerv3",
            "seed": str(k),
            "xs": [1000.0, 2000.0],
            "ys": [k, 2.5],
        }
        for k in range(2)
    ]
    path = put(tmp_path, "scores.json.gz", gzip.compress(json.dumps(runs).encode()))
    found = read([path], Said())
    assert [(*run.key, run.steps, run.returns) for run in found] == [
        ("dreamerv3", "dmc_walker_walk", k, (1000, 2000), (float(k), 2.5)) for k in range(2)
    ]


def test_wandbs_wide_export_has_a_run_per_column_and_a_warning(tmp_path: Path) -> None:
    header = ["Step"]
    for seed in (1, 2):
        name = f"Hopper-v4__ppo__{seed}__1700000000 - eval/return"
        header += [name, f"{name}__MIN", f"{name}__MAX"]
    text = (
        ",".join(f'"{name}"' for name in header)
        + '\n"10","1","1","1","","",""\n"20","2","2","2","5","5","5"\n'
    )
    runs = read([put(tmp_path, "wandb_export.csv", text)], Said())
    assert [(*run.key, run.steps, run.returns) for run in runs] == [
        ("ppo", "Hopper-v4", 1, (10, 20), (1.0, 2.0)), ("ppo", "Hopper-v4", 2, (20,), (5.0,)),
    ]  # fmt: skip
    assert all("W&B's Step counts calls" in run.notes[0] for run in runs)


MEANS = {
    "openrlbenchmark.csv": (
        ",CleanRL's PPO\nHopper-v2,2262.50 ± 1196.81\n",
        "means with their spread (±), no runs",
    ),
    "results.json": ('[{"env_step": 0, "rew": 1.0, "rew_std": 0.5}]', "over seeds (rew, rew_std), no runs"),
    "means.csv": ("step,return,return_std\n0,1,2\n", "means over runs (it has 'return_std' and no seed)"),
    "groups.csv": ('"Step","Group: ppo - r"\n"1","2"\n', "means over runs, no runs; switch the grouping off"),
    "table.csv": ("Name,State,Runtime,r\na,finished,3,4\n", "last values, one row per run, no curves"),
    "dopamine.json": (
        '[{"Iteration": 0, "Value": 1.0, "Agent": "DQN"}]',
        "nothing says which run each is of",
    ),
}


@pytest.mark.parametrize("name", MEANS)
def test_aggregates_without_runs_are_refused_with_the_reason(tmp_path: Path, name: str) -> None:
    content, says = MEANS[name]
    with pytest.raises(InputError) as error:
        read([put(tmp_path, name, content)], ONE)
    assert says in str(error.value)


def test_several_monitors_of_one_folder_are_one_run(tmp_path: Path) -> None:
    # Stable-Baselines3's load_results: in the order in which episodes ended, their lengths added up.
    paths = [
        put(tmp_path, "a/0.monitor.csv", monitor("10,100,1", "20,100,3")),
        put(tmp_path, "a/1.monitor.csv", monitor("30,100,2", "40,100,4")),
    ]
    for given in (paths, paths[::-1], [tmp_path / "a"], [tmp_path]):
        (run,) = read(given, Said("ppo", seeds=(2,)))
        assert points(run) == [(100, 10.0), (200, 30.0), (300, 20.0), (400, 40.0)]
    with pytest.raises(
        InputError, match=r"2 seeds for 1 run; one per run is expected; .*a is one run of 2 files"
    ):
        read(paths, Said("ppo", seeds=(0, 1)))
    runs = read(paths, Said("ppo", seeds=(0, 1), unit="file"))
    assert [points(run) for run in runs] == [[(100, 10.0), (200, 20.0)], [(100, 30.0), (200, 40.0)]]


def test_monitors_that_may_each_be_a_run_are_asked_about(tmp_path: Path) -> None:
    put(tmp_path, "a/0.monitor.csv", monitor("10,100,1"))
    put(tmp_path, "a/1.monitor.csv", monitor("30,100,1", start=900.0))
    with pytest.raises(
        InputError, match=r"times do not overlap: say --unit folder if .* --unit file if each is"
    ):
        read([tmp_path], Said("ppo", seeds=(2,)))
    (run,) = read([tmp_path], Said("ppo", seeds=(2,), unit="folder"))
    assert points(run) == [(100, 10.0), (200, 30.0)]
    put(tmp_path, "b/left.monitor.csv", monitor("10,100,1"))
    put(tmp_path, "b/right.monitor.csv", monitor("30,100,1"))
    with pytest.raises(InputError, match="their names are no numbers of environments"):
        read([tmp_path / "b"], Said("ppo", seeds=(2,)))


def test_a_resumed_event_file_is_the_same_run(tmp_path: Path) -> None:
    tag = "eval/mean_reward"
    first = [(1000 * k, float(k)) for k in range(1, 11)]
    then = [(1000 * k, 100.0 + k) for k in range(6, 21)]
    put(tmp_path, "a/events.out.tfevents.2", events(tag, *first, time=1.0))
    put(tmp_path, "a/events.out.tfevents.1", events(tag, *then, time=2.0))
    (run,) = read([tmp_path / "a"], ONE)
    assert points(run) == first[:5] + then
    assert run.notes == ("2 event files of one folder are one run, 5 returns of it void",)
    joined = put(tmp_path, "joined.tfevents", events(tag, *first) + events(tag, *then, time=2.0))
    (run,) = read([joined], ONE)
    assert points(run) == first[:5] + then
    put(tmp_path, "b/events.out.tfevents.1", events(tag, *first, time=1.0))
    put(tmp_path, "b/events.out.tfevents.2", events(tag, *first, time=2.0))
    with pytest.raises(InputError, match="both begin at step 1000: two trainings, or one that began anew"):
        read([tmp_path / "b"], ONE)


def test_a_file_given_twice_counts_once(tmp_path: Path) -> None:
    path = put(tmp_path, "monitor.csv", monitor("10,100,1"))
    with pytest.raises(InputError, match=r"monitor\.csv: is given twice"):
        read([path, path], Said("ppo", seeds=(0, 1)))


def test_what_is_not_finite_has_one_rule_for_all(tmp_path: Path) -> None:
    path = put(
        tmp_path, "events.out.tfevents.1", events("rollout/ep_rew_mean", (1, np.nan), (2, np.nan), (3, 30))
    )
    (run,) = read([path], ONE)
    assert (points(run), run.notes) == ([(3, 30.0)], ("2 returns before the first finite one left out",))
    path = put(tmp_path, "monitor.csv", monitor("10,1000,1", "20,1000,2", "nan,500,3"))
    (run,) = read([path], ONE)
    assert (points(run), run.diverged_at) == ([(1000, 10.0), (2000, 20.0)], 2500)
    path = put(tmp_path, "x.csv", table("step,return", "1,1", "2,inf", "3,3"))
    with pytest.raises(InputError, match=r"x\.csv:3: return = inf at step 2, between finite ones"):
        read([path], ONE)


def test_two_trainings_in_one_file_are_refused_with_the_row(tmp_path: Path) -> None:
    steps = np.array([1000, 2000, 1000, 2000])
    path = npz(tmp_path, timesteps=steps, results=np.arange(4.0)[:, None])
    with pytest.raises(
        InputError, match="steps fall back to 1000, the first, in row 3: two trainings in one"
    ):
        read([path], ONE)


def test_a_folder_is_searched_and_each_training_in_it_is_one_run(tmp_path: Path) -> None:
    for seed in (1, 11307):
        folder = tmp_path / f"ddpg_s{seed}"
        put(folder, "progress.txt", table("AverageTestEpRet\tTotalEnvInteracts", f"{seed}\t1000", "2\t2000"))
        put(folder, "config.json", json.dumps({"env_name": "Hopper-v5", "seed": seed}))
        put(folder, "model.pt", b"\x80\x02")
    runs = read([tmp_path], Said("ddpg"))
    assert [run.key for run in runs] == [("ddpg", "Hopper-v5", 1), ("ddpg", "Hopper-v5", 11307)]
    with pytest.raises(
        InputError, match=r"progress\.txt \(Spinning Up's progress\.txt\) and 1 more do not say"
    ):
        read([tmp_path], Said())


def test_of_what_one_training_wrote_evaluations_are_read_and_it_is_said(tmp_path: Path) -> None:
    put(tmp_path, "0.monitor.csv", monitor("10,100,1"))
    put(tmp_path, "readme.txt", "hello, you\n")
    npz(tmp_path, timesteps=np.array([1000, 2000]), results=np.array([[1.0], [2.5]]))
    (run,) = read([tmp_path], ONE)
    assert (points(run), run.returns_of) == (TWO, "evaluation")
    assert run.notes == (
        "evaluations.npz read, not 0.monitor.csv beside it",
        "1 file beside them passed over as no results",
    )
    (run,) = read([tmp_path], Said("ppo", "Hopper-v5", (3,), returns_of="training"))
    assert (points(run), run.returns_of) == ([(100, 10.0)], "training")


def test_a_pattern_names_each_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for variant in ("ppo", "trpo+"):
        for seed in (3, 42):
            put(
                tmp_path,
                f"zoo/{variant}/Hopper-v3_{seed}/monitor.csv",
                f"#{{}}\nr,l,t\n{seed},{len(variant)},1\n",
            )
    put(tmp_path, "zoo/ppo/Hopper-v3_x/monitor.csv", "no monitor")
    for pattern in ("zoo/{variant}/{environment}_{seed}/monitor.csv", "zoo/{variant}/{environment}_{seed}"):
        runs = read([], Said(), pattern)
        assert [run.key for run in runs] == [
            (variant, "Hopper-v3", seed) for variant in ("ppo", "trpo+") for seed in (3, 42)
        ]
    with pytest.raises(InputError, match=r"unknown \{environmen\}; did you mean 'environment'"):
        read([], Said(), "zoo/{variant}/{environmen}")
    with pytest.raises(InputError, match=r"nothing matches; zoo holds ppo, trpo\+"):
        read([], Said(), "zoo/{seed}/monitor.csv")
    with pytest.raises(InputError, match="--variant: --from says each run's variant already"):
        read([], Said("ppo"), "zoo/{variant}/{environment}_{seed}")


def test_a_name_that_a_pattern_has_twice_must_agree(tmp_path: Path) -> None:
    put(tmp_path, "ppo/ppo_s1/monitor.csv", monitor("1,10,1"))
    put(tmp_path, "ppo/sac_s1/monitor.csv", monitor("2,10,1"))
    (run,) = read([], Said(), f"{tmp_path}/{{variant}}/{{variant}}_s{{seed}}/monitor.csv")
    assert (run.key, run.returns) == (("ppo", "Hopper-v5", 1), (1.0,))


def test_cleanrls_folder_says_what_run_it_is(tmp_path: Path) -> None:
    data = events("charts/episodic_return", (100, 1.0), (100, 3.0))
    put(tmp_path, "Hopper-v4__ppo_continuous_action__7__1700000000/events.out.tfevents.1", data)
    (run,) = read([tmp_path], Said())
    assert run.key == ("ppo_continuous_action", "Hopper-v4", 7)
    assert "seed from the path" in run.notes


def test_all_that_is_lacking_is_said_at_once_with_what_the_file_seems_to_be(tmp_path: Path) -> None:
    path = put(tmp_path, "curve.csv", table("a,b", "1,2"))
    with pytest.raises(InputError) as error:
        read([path], Said())
    for part in ("columns a, b", "--step COLUMN", "--return COLUMN", "--variant, --env, --seeds"):
        assert part in str(error.value)
    with pytest.raises(InputError, match=r"--step t: no such column"):
        read([path], Said(step="t"))
    path = put(
        tmp_path, "names.csv", table("variant,environment,seed,step,return", "ppo (ours),Hopper-v5,0,1,2")
    )
    with pytest.raises(
        InputError, match=r":2: variant = 'ppo \(ours\)': should be letters.*; 'ppo-ours' could be"
    ):
        read([path], Said())
