import math
from pathlib import Path

import pytest

from matters.results.published import FOLDER, MEASURES, entries, read, task
from matters.suites.errors import InputError
from matters.suites.tasks.yardsticks import MUJOCO

ROW = {
    "source": "A paper",
    "reference": "arXiv:0000.00000, table 1",
    "algorithm": "PPO",
    "implementation": "theirs",
    "environment": "Hopper-v2",
    "steps": "1000000",
    "seeds": "2",
    "measure": "evaluation",
    "statistic": "mean over seeds of the last evaluation",
    "value": "3.0",
    "spread": "1.0",
    "low": "",
    "high": "",
    "spread_kind": "standard deviation over seeds",
    "notes": "",
}


def file(folder: Path, *rows: dict[str, str], seeds: str = "") -> Path:
    path = folder / "paper.csv"
    lines = [",".join(rows[0]), *(",".join(f'"{cell}"' for cell in row.values()) for row in rows)]
    path.write_text("\n".join(lines) + "\n")
    if seeds:
        (folder / "seeds").mkdir()
        (folder / "seeds" / "paper.csv").write_text(f"source,algorithm,environment,steps,seed,value\n{seeds}")
    return path


def test_every_shipped_entry_is_valid_and_of_a_task_that_we_have() -> None:
    assert len(entries()) == 460
    assert {entry.task for entry in entries()} <= {task(name) for name in MUJOCO}
    assert {entry.measure for entry in entries()} == set(MEASURES)
    assert all(entry.reference and entry.statistic for entry in entries())


def test_no_published_number_is_of_our_version_of_an_environment() -> None:
    assert not {entry.environment for entry in entries()} & set(MUJOCO)


def test_what_is_computed_from_single_seeds_is_their_mean_and_deviation() -> None:
    with_seeds = [entry for entry in entries() if entry.values]
    assert len(with_seeds) == 92
    for entry in with_seeds:
        mean = sum(entry.values) / len(entry.values)
        variance = sum((value - mean) ** 2 for value in entry.values) / (len(entry.values) - 1)
        assert entry.value == pytest.approx(mean, abs=0.006)
        assert entry.spread == pytest.approx(math.sqrt(variance), abs=0.006)


@pytest.mark.parametrize(
    ("algorithm", "environment", "value", "low", "high"),
    [
        ("PPO", "Walker2d-v2", 3292, 3157, 3426),
        ("PPO-M", "Hopper-v2", 2142, 2008, 2279),
        ("TRPO", "Humanoid-v2", 586, 576, 596),
        ("TRPO+", "Humanoid-v2", 1030, 979, 1083),
        ("PPO-NoClip", "Walker2d-v2", 2867, 2701, 3024),
    ],
)
def test_engstroms_table_is_as_printed(
    algorithm: str, environment: str, value: float, low: float, high: float
) -> None:
    (found,) = (
        entry
        for entry in entries()
        if entry.source.startswith("Engstrom")
        and (entry.algorithm, entry.environment) == (algorithm, environment)
    )
    assert (found.value, found.low, found.high, found.bounds) == (value, low, high, (low, high))


def test_a_spread_reaches_to_both_sides(tmp_path: Path) -> None:
    (entry,) = read(file(tmp_path, ROW))
    assert entry.bounds == (2.0, 4.0)
    assert (entry.task, entry.values) == ("Hopper", ())


def test_single_seeds_go_to_the_entry_that_is_their_mean(tmp_path: Path) -> None:
    best = ROW | {"measure": "maximum", "statistic": "maximum", "value": "4.0"}
    seeds = "A paper,PPO,Hopper-v2,1000000,1,4.0\nA paper,PPO,Hopper-v2,1000000,0,2.0\n"
    first, second = read(file(tmp_path, ROW, best, seeds=seeds))
    assert (first.values, second.values) == ((2.0, 4.0), ())


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"value": "high"}, "value = 'high'"),
        ({"value": "nan"}, "value = "),
        ({"environment": "Hopper"}, "environment = 'Hopper'"),
        ({"measure": "maximun"}, "measure = 'maximun'"),
        ({"seeds": "0"}, "seeds = "),
        ({"steps": "1M"}, "steps = '1M'"),
        ({"spread_kind": ""}, "a spread and its kind go together"),
        ({"spread": ""}, "a spread and its kind go together"),
        ({"low": "2"}, "low and high"),
        ({"spread": "", "low": "4", "high": "5"}, "outside of 4.0 to 5.0"),
    ],
)
def test_a_damaged_entry_is_one_line_with_file_and_line(
    tmp_path: Path, change: dict[str, str], says: str
) -> None:
    path = file(tmp_path, ROW, ROW | {"algorithm": "TRPO"} | change)
    with pytest.raises(InputError) as error:
        read(path)
    assert str(error.value).startswith(f"{path}:3: ")
    assert says in str(error.value)


def test_a_repeated_entry_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"paper\.csv:3: the same as line 2"):
        read(file(tmp_path, ROW, ROW))


@pytest.mark.parametrize("seeds", ["A,PPO,Hopper-v2,1000000,0,x\n", "A,PPO,Hopper-v2,1,0,1\n" * 2])
def test_damaged_seeds_are_one_line(tmp_path: Path, seeds: str) -> None:
    with pytest.raises(InputError, match=r"seeds/paper\.csv:[23]: "):
        read(file(tmp_path, ROW, seeds=seeds))


def test_the_readme_names_every_column() -> None:
    text = (FOLDER / "README.md").read_text()
    for column in ROW:
        assert f"`{column}`" in text
