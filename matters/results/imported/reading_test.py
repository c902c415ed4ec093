import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from matters.results.imported.reading import Said, read
from matters.suites.errors import InputError

# monitor.csv and evaluations.npz are Stable-Baselines3's own, of one short run of PPO.
REAL = Path(__file__).parents[1] / "testdata" / "foreign"
RUN = Said(variant="ppo", environment="Hopper-v4", seeds=(3,))

TABLE = """variant,environment,seed,step,return
ppo,Hopper-v4,0,1000,10.5
ppo,Hopper-v4,0,2000,20
ppo,Hopper-v4,1,2000,22
ppo,Hopper-v4,1,1000,12
sac,Hopper-v4,0,1000,-1e2
"""


def written(folder: Path, text: str | bytes, name: str = "curves.csv") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def npz(**arrays: Any) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def test_a_csv_holds_many_runs_in_any_order(tmp_path: Path) -> None:
    runs = read([written(tmp_path, TABLE)], Said())
    assert [(*run.key, run.steps, run.returns) for run in runs] == [
        ("ppo", "Hopper-v4", 0, (1000, 2000), (10.5, 20.0)),
        ("ppo", "Hopper-v4", 1, (1000, 2000), (12.0, 22.0)),
        ("sac", "Hopper-v4", 0, (1000,), (-100.0,)),
    ]
    assert {run.returns_of for run in runs} == {"unstated"}
    assert {run.file for run in runs} == {"curves.csv"}


def test_returns_are_read_to_the_last_bit(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(0, 1000, 300).tolist()
    rows = "".join(f"{step},{value!r}\n" for step, value in enumerate(values))
    (run,) = read([written(tmp_path, "step,return\n" + rows)], RUN)
    assert run.returns == tuple(values)
    wide = written(tmp_path, "".join(f"{value!r} {-value!r}\n" for value in values), "wide.txt")
    runs = read([wide], Said("ppo", "Hopper-v4", (0, 1), every=10))
    assert [run.returns for run in runs] == [tuple(values), tuple(-value for value in values)]


def test_options_stand_for_columns_that_a_csv_lacks(tmp_path: Path) -> None:
    path = written(tmp_path, "step,return,loss\n1e3,1,0\n2000.0,2,0\n")
    (run,) = read([path], Said(variant="ppo", environment="Hopper-v4", seeds=(7,), returns_of="training"))
    assert (run.key, run.steps, run.returns_of) == (("ppo", "Hopper-v4", 7), (1000, 2000), "training")


def test_a_spreadsheets_byte_order_mark_and_blank_lines_do_no_harm(tmp_path: Path) -> None:
    plain = read([written(tmp_path, TABLE)], Said())
    marked = read([written(tmp_path, "\ufeff" + TABLE.replace("\n", "\r\n") + "\r\n\r\n", "b.csv")], Said())
    assert [run.content for run in marked] == [run.content for run in plain]


def test_stable_baselines3s_evaluations_are_means_over_their_episodes() -> None:
    (run,) = read([REAL / "evaluations.npz"], RUN)
    results = [[24.0, 25.0, 60.0], [33.0, 32.0, 29.0], [54.0, 53.0, 40.0]]
    assert run.steps == (512, 1024, 1536)
    assert run.returns == pytest.approx([sum(row) / 3 for row in results])
    assert (run.key, run.returns_of) == (("ppo", "Hopper-v4", 3), "evaluation")


def test_stable_baselines3s_monitor_has_training_episodes_and_its_environment() -> None:
    (run,) = read([REAL / "monitor.csv"], Said(variant="ppo", seeds=(0,)))
    assert (run.environment, run.returns_of) == ("InvertedPendulum-v5", "training")
    assert run.steps[:3] == (10, 17, 24)  # each episode ends as many steps after the one before as it is long
    assert run.returns[:3] == (9.0, 6.0, 6.0)


def test_tensorboards_returns_are_found_and_another_tag_can_be_chosen() -> None:
    (path,) = REAL.glob("events*")
    (run,) = read([path], RUN)
    assert (run.steps, run.returns, run.returns_of) == ((1000, 2000), (100.25, 200.5), "evaluation")
    (run,) = read([path], Said("ppo", "Hopper-v4", (0,), tag="rollout/ep_rew_mean"))
    assert (len(run.steps), run.returns_of) == (4, "training")
    (run,) = read([path], Said("ppo", "Hopper-v4", (0,), tag="tensor/score"))
    assert run.returns_of == "unstated"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is empty"),
        ("variant,environment,seed,step,return\n", "has a header and no row"),
        (TABLE.replace("return", "score", 1), "none is known to have its returns (--return COLUMN)"),
        (TABLE.replace("seed", "step", 1), ":1: column 'step' appears twice"),
        (TABLE.replace("environment,seed,step", "environment,seed,seed"), "none is known to have its steps"),
        (TABLE.replace("0,1000,10.5", "0,1500,nan\nppo,Hopper-v4,0,1000,3"), ":2: return = nan at step 1500"),
        (TABLE.replace("0,2000,20", "0,2000,1e308"), ":3: return = 1e+308: should be at most 1e+100"),
        (TABLE.replace("0,2000,20", "0,2000,"), ":3: return = '': should be a number"),
        (TABLE.replace("0,2000,20", "0,2000,high"), ":3: return = 'high': should be a number"),
        (TABLE.replace("0,2000,20", "0,2e3x,20"), ":3: step = '2e3x': should be a number"),
        (TABLE.replace("0,2000,20", "0,-5,20"), ":3: step = -5: should be a whole number of 0 or more"),
        (TABLE.replace("0,2000,20", "0.5,2000,20"), ":3: seed = '0.5': should be a whole number"),
        (TABLE.replace("0,2000,20", "0,9223372036854775808,20"), ":3: step = 9.2233720368547758e+18: should"),
        (TABLE.replace("0,2000,20", "0,2000,20,1"), ":3: 6 cells, the header has 5"),
        (TABLE.replace("0,2000,20", "0,2000"), ":3: 4 cells, the header has 5"),
        (TABLE.replace("sac,", "my $ac,"), ":6: variant = 'my $ac': should be letters"),
        (TABLE.replace("sac,Hopper-v4", "sac,"), ":6: environment = '': should be an id"),
        (TABLE + "ppo,Hopper-v4,1,1000,5\n", ":7: a second return at step 1000"),
        (TABLE + "ppo,Hopper-v4,1,1000,5\n", ", the first is in line 5; should be one"),
        (TABLE.encode("utf-16"), "is not UTF-8"),
        ('variant,environment,seed,step,return\n"ppo,Hopper', "has a header and no row"),
        ("#{}\nr,l,t\n1,2,3\n", "a monitor, which does not say what run it is: --variant, --env,"),
    ],
)  # fmt: skip
def test_a_csv_that_cannot_be_used_is_one_line_with_the_file_and_the_line(
    tmp_path: Path, text: str | bytes, says: str
) -> None:
    path = written(tmp_path, text)
    with pytest.raises(InputError) as error:
        read([path], Said())
    assert str(error.value).startswith(str(path))
    assert says in str(error.value)
    assert "\n" not in str(error.value)


MONITOR = '#{"env_id": "Hopper-v4"}\nr,l,t\n1.5,10,0.1\n2.5,20,0.2\n'


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("# a comment\nr,l,t\n1,2,3\n", ":1: should be the JSON"),
        ("#[1]\nr,l,t\n1,2,3\n", ":1: should be the JSON"),
        (MONITOR.replace("r,l,t", "r,t"), ":2: no column 'l'"),
        (MONITOR.replace("1.5,10", "high,10"), ":3: r = 'high': should be a number"),
        (MONITOR.replace("2.5,20", "2.5,long"), ":4: l = 'long'"),
        (MONITOR.replace("1.5,10,0.1", "2.5"), ":3: 1 cells, the header has 3"),
        (MONITOR.replace("\n1.5,10,0.1\n2.5,20,0.2", ""), "has no finished episode"),
        (
            MONITOR.replace("Hopper-v4", "Walker2d-v4"),
            "is of environment Walker2d-v4, --env or the pattern says Hopper-v4",
        ),
    ],
)
def test_a_monitor_file_that_cannot_be_used_is_one_line(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(InputError, match=r"monitor\.csv") as error:
        read([written(tmp_path, text, "monitor.csv")], RUN)
    assert says in str(error.value)


class Bomb:
    """Runs code when it is unpickled."""

    def __reduce__(self) -> Any:
        return (pytest.fail, ("the file's code was run",))


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"PK\x03\x04 and no archive", "is damaged"),
        (b"no archive at all", "is damaged"),
        (npz(timesteps=np.arange(3)), "no array 'results'"),
        (npz(timesteps=np.arange(3), result=np.ones((3, 2))), "no array 'results'; did you mean 'result'?"),
        (npz(timesteps=np.arange(3), results=np.ones((2, 5))), "timesteps (3,) and results (2, 5)"),
        (npz(timesteps=np.arange(3), results=np.ones((3, 1, 1))), "should be [K] and [K, episodes]"),
        (npz(timesteps=np.arange(0), results=np.ones((0, 5))), "K above 0"),
        (npz(timesteps=np.arange(3) + 0.5, results=np.ones((3, 1))), "step = 0.5: should be a whole number"),
        (npz(timesteps=np.arange(3), results=np.array([["a"]] * 3)), "results <U1"),
        (
            npz(timesteps=np.arange(3) - 1, results=np.ones((3, 1))),
            "step = -1: should be a whole number of 0 or more",
        ),
        (npz(timesteps=np.array([5, 5]), results=np.ones((2, 1))), "a second return at step 5"),
        (
            npz(timesteps=np.arange(3), results=np.array([[1], [np.nan], [3]])),
            "return = nan at step 1, between",
        ),
        (npz(timesteps=np.array([1, 2, 1, 2]), results=np.ones((4, 1))), "two trainings in one file"),
        (npz(timesteps=np.arange(1), results=np.array([[Bomb()]], dtype=object)), "they could run code"),
    ],
)
def test_an_npz_that_cannot_be_used_is_one_line_and_runs_nothing(
    tmp_path: Path, data: bytes, says: str
) -> None:
    with pytest.raises(InputError, match=r"evaluations\.npz") as error:
        read([written(tmp_path, data, "evaluations.npz")], RUN)
    assert says in str(error.value)


@pytest.mark.parametrize(
    ("name", "said", "says"),
    [
        ("events*", Said("ppo", "Hopper-v4", (0,), tag="train/los"), "did you mean 'train/loss'"),
        (
            "events*",
            Said("ppo", seeds=(0,)),
            "TensorBoard's event file, which does not say what run it is: --env needed",
        ),
        ("monitor.csv", Said("ppo", seeds=(0, 1)), "2 seeds for 1 run; one per run"),
        ("monitor.csv", Said("ppo", seeds=(0,), tag="x"), "--tag is of TensorBoard's files"),
    ],
)
def test_options_that_do_not_fit_the_file_are_one_line(name: str, said: Said, says: str) -> None:
    (path,) = REAL.glob(name)
    with pytest.raises(InputError) as error:
        read([path], said)
    assert says in str(error.value)


def test_a_file_of_another_kind_or_none_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"results\.json: is JSON, but"):
        read([written(tmp_path, json.dumps({}), "results.json")], RUN)
    with pytest.raises(InputError, match="cannot be read: No such file"):
        read([tmp_path / "absent.csv"], Said())
    with pytest.raises(InputError, match=r"no file of results: .*results\.json: is JSON, but no list"):
        read([tmp_path], Said())
    (tmp_path / "results.json").unlink()
    with pytest.raises(InputError, match=r"no file of results in it; .* holds nothing"):
        read([tmp_path], Said())


def test_an_option_that_a_column_says_already_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is of variant sac, --variant or the pattern says ppo"):
        read([written(tmp_path, TABLE)], Said(variant="ppo"))
