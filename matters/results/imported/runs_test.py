import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from matters.results.imported import runs as imported_runs
from matters.results.imported.runs import ForeignRun, ForeignSet, ReturnsOf
from matters.results.imported.tables import WINDOWS, score, snapshot, suite
from matters.suites.errors import InputError


def make(
    variant: str = "ppo",
    seed: int = 0,
    steps: tuple[int, ...] = (100, 200, 300),
    returns: tuple[float, ...] | None = None,
    returns_of: ReturnsOf = "evaluation",
) -> ForeignRun:
    returns = (1.0, 2.0, 4.0 + seed) if returns is None else returns
    return ForeignRun(variant, "Hopper-v4", seed, returns_of, steps, returns, "a.csv", "0" * 64)


def kept(store: Path, *runs: ForeignRun, name: str = "lab") -> ForeignSet:
    imported_runs.save(store, name, imported_runs.additions(store, name, runs))
    return imported_runs.load(store, name)


def test_what_was_saved_is_loaded_and_named_by_its_content(tmp_path: Path) -> None:
    runs = (make(), make(seed=1), make("sac"))
    assert kept(tmp_path, *runs).runs == runs
    assert imported_runs.names(tmp_path) == ["lab"]
    names = {path.stem for path in (tmp_path / "imported" / "lab").iterdir()}
    assert names == {run.run_id for run in runs}
    record = json.loads(next((tmp_path / "imported" / "lab").iterdir()).read_text())
    assert record["protocol"] == "foreign"


def test_the_identity_is_of_the_content_and_not_of_the_file() -> None:
    assert replace(make(), file="b.csv", sha256="1" * 64).run_id == make().run_id
    others = [
        make("sac"), make(seed=1), make(returns=(1.0, 2.0, 4.5)), make(steps=(1, 2, 3)),
        make(returns_of="training"),
    ]  # fmt: skip
    assert len({run.run_id for run in (make(), *others)}) == 6


def test_the_same_again_adds_nothing_and_more_is_added(tmp_path: Path) -> None:
    kept(tmp_path, make())
    assert imported_runs.additions(tmp_path, "lab", [make()]) == []
    assert imported_runs.additions(tmp_path, "lab", [make(), make(seed=1)]) == [make(seed=1)]


@pytest.mark.parametrize(
    ("name", "runs", "says"),
    [
        ("lab", [make(seed=1), make(seed=1)], "a second run of variant ppo, environment Hopper-v4, seed 1"),
        ("lab", [make(returns=(9.0, 9.0, 9.0))], "the first is from a.csv"),
        ("lab", [make(seed=1, returns_of="training")], "do not go into one set"),
        ("../lab", [make()], "name = '../lab': should be letters"),
        ("", [make()], "name = ''"),
    ],
)
def test_what_does_not_go_into_a_set_is_one_line_and_nothing_is_written(
    tmp_path: Path, name: str, runs: list[ForeignRun], says: str
) -> None:
    kept(tmp_path, make())
    with pytest.raises(InputError) as error:
        imported_runs.additions(tmp_path, name, runs)
    assert says in str(error.value)
    assert len(list((tmp_path / "imported" / "lab").iterdir())) == 1


def test_a_set_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="imported = 'lab': no such imported results; the store has none"):
        imported_runs.load(tmp_path, "lab")
    kept(tmp_path, make())
    with pytest.raises(InputError, match="did you mean 'lab'"):
        imported_runs.load(tmp_path, "lob")


@pytest.mark.parametrize("change", [b"7", b"{}", b"[]", b"no json"])
def test_a_changed_byte_is_found(tmp_path: Path, change: bytes) -> None:
    kept(tmp_path, make())
    assert imported_runs.problems(tmp_path) == []
    (path,) = (tmp_path / "imported" / "lab").iterdir()
    data = path.read_bytes()
    path.write_bytes(data.replace(b"4.0", b"5.0") if change == b"7" else change)
    with pytest.raises(InputError, match="is damaged"):
        imported_runs.load(tmp_path, "lab")
    assert [name for name, _ in imported_runs.problems(tmp_path)] == ["lab"]


def test_a_newer_format_is_not_misread(tmp_path: Path) -> None:
    kept(tmp_path, make())
    (path,) = (tmp_path / "imported" / "lab").iterdir()
    path.write_bytes(path.read_bytes().replace(b'"format": 2', b'"format": 3'))
    with pytest.raises(InputError, match="written by a newer Matters"):
        imported_runs.load(tmp_path, "lab")


@pytest.mark.parametrize(
    ("returns", "expected"),
    [((5.0,), 5.0), ((1.0, 3.0), 2.0), ((0.0, 1.0, 3.0), 2.0), (tuple(map(float, range(30))), 28.0)],
)
def test_a_score_is_the_mean_of_the_last_tenth_at_least_the_last_two(
    returns: tuple[float, ...], expected: float
) -> None:
    assert score(make(steps=tuple(range(1, len(returns) + 1)), returns=returns)) == expected


def curve(found: ForeignSet, seed: int) -> list[tuple[int, float]]:
    rows = snapshot(found).evaluations
    rows = rows[rows["seed"] == seed]
    return list(zip(rows["step"].tolist(), rows["score"].tolist(), strict=True))


def test_runs_evaluated_at_the_same_steps_are_shown_at_these(tmp_path: Path) -> None:
    found = kept(tmp_path, make(), make(seed=1, returns=(0.0, 0.0, 1.0)))
    assert curve(found, 0) == [(100, 1.0), (200, 2.0), (300, 4.0)]
    taken = snapshot(found)
    assert taken.runs["score"].tolist() == [3.0, 0.5]
    assert set(taken.runs["state"]) == {"done"}
    assert taken.identity == found.identity
    assert taken.provenance["protocol"].tolist() == ["foreign", "foreign"]


def test_training_episodes_are_averaged_in_windows_that_all_runs_share(tmp_path: Path) -> None:
    steps = tuple(range(10, 1001, 10))
    rising = tuple(float(step) for step in steps)
    late = steps[10:60]
    found = kept(
        tmp_path,
        make(steps=steps, returns=rising, returns_of="training"),
        make(seed=1, steps=late, returns=(7.0,) * 50, returns_of="training"),
    )
    width = 1000 // WINDOWS
    # Window 3 (up to 150 steps) is the first in which both have an episode; the mean is over its five.
    assert curve(found, 0)[0] == (3 * width, 130.0)
    assert curve(found, 1)[0] == (3 * width, 7.0)
    assert curve(found, 0)[-1] == (1000, 980.0)
    assert curve(found, 1)[-1] == (600, 7.0)


def test_a_window_without_an_episode_keeps_what_was_before(tmp_path: Path) -> None:
    found = kept(
        tmp_path,
        make(steps=(50, 950, 1000), returns=(1.0, 2.0, 3.0), returns_of="training"),
        make(seed=1, steps=(400, 1000), returns=(5.0, 6.0), returns_of="training"),
    )
    assert curve(found, 0)[0] == (400, 1.0)
    assert np.isfinite([score for _, score in curve(found, 0)]).all()


def test_one_return_at_step_zero_does_no_harm(tmp_path: Path) -> None:
    found = kept(tmp_path, make(steps=(0,), returns=(3.0,), returns_of="training"))
    assert len(curve(found, 0)) == 1


def test_as_a_reports_subject_it_claims_no_protocol_of_ours(tmp_path: Path) -> None:
    subject = suite(kept(tmp_path, make()), ("reproduction",))
    assert (subject.name, subject.steps, subject.evaluation) == ("imported-lab", 300, None)
    assert (subject.returns_of, subject.questions) == ("evaluation episodes", ("reproduction",))
