import csv
import json

from matters.harness.cli import call


def test_lecture_writes_each_figure_with_its_numbers(tmp_path, capsys):
    assert call(["lecture", "--out", str(tmp_path / "figures"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [one["figure"] for one in found] == ["exploration", "plateau", "bound", "gaussians"]
    names = {path.name for path in (tmp_path / "figures").iterdir()}
    assert names == {f"{one['figure']}.{kind}" for one in found for kind in ("svg", "pdf", "csv")}
    with (tmp_path / "figures" / "bound.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert set(rows[0]) == {"alpha", "return J", "surrogate L₀", "bound M₀", "bound M₁"}


def test_two_times_give_the_same_bytes(tmp_path, capsys):
    for name in ("first", "second"):
        assert call(["lecture", "--out", str(tmp_path / name)]) == 0
    capsys.readouterr()
    first, second = (
        {path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in ("first", "second")
    )
    assert first == second != {}


def test_a_file_in_the_way_is_refused_in_one_line_before_anything_is_written(tmp_path, capsys):
    out = tmp_path / "taken"
    out.write_text("mine")
    assert call(["lecture", "--out", str(out)]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "not a directory" in error
    assert out.read_text() == "mine"
