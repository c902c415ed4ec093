"""Seeds that were added after a verdict was read are known, unless the looks were declared."""

from pathlib import Path

from matters.results.bundle.bundle_test import declared
from matters.results.verdicts_read import note, remark, undeclared


def grown(seeds: int, looks: tuple[int, ...] = ()):
    return declared().model_copy(update={"seeds": tuple(range(seeds)), "looks": looks})


def test_seeds_added_after_reading_are_said_with_how_many_there_were(tmp_path: Path) -> None:
    note(tmp_path, grown(10), 10)
    assert undeclared(tmp_path, grown(10), 10) == []
    assert undeclared(tmp_path, grown(15), 15) == [10]
    (text,) = remark(tmp_path, grown(15), 15)
    assert "added after a verdict was read, at 10 runs per cell" in text
    note(tmp_path, grown(15), 15)
    assert undeclared(tmp_path, grown(20), 20) == [10, 15]
    assert undeclared(tmp_path, grown(15), 15) == [10], "reading twice changes nothing"
    assert remark(tmp_path, grown(10), 10) == [], "the first ten alone were a study of ten"


def test_declared_looks_are_no_offence_and_undeclared_ones_stay_one(tmp_path: Path) -> None:
    note(tmp_path, grown(20, (10, 20)), 10)
    note(tmp_path, grown(20, (10, 20)), 20)
    assert undeclared(tmp_path, grown(20, (10, 20)), 20) == []
    assert undeclared(tmp_path, grown(20), 20) == [10], "without its looks it is a second look like any"
    assert undeclared(tmp_path, grown(40, (10, 40)), 40) == [10, 20], "looks declared after the reading"


def test_other_cells_and_too_few_seeds_are_no_reading(tmp_path: Path) -> None:
    note(tmp_path, grown(4), 4)
    assert not (tmp_path / "verdicts").exists()
    note(tmp_path, grown(5).model_copy(update={"steps": 200}), 5)
    assert undeclared(tmp_path, grown(10), 10) == []


def test_a_damaged_note_is_none(tmp_path: Path) -> None:
    (tmp_path / "verdicts").mkdir()
    (tmp_path / "verdicts" / "small.json").write_text("{")
    assert undeclared(tmp_path, grown(10), 10) == []
    note(tmp_path, grown(10), 10)
    assert undeclared(tmp_path, grown(11), 11) == [10]
