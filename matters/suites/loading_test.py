"""A suite is found by its name or its path; what cannot be read is refused with file and line."""

from pathlib import Path

import pytest

from matters.suites.conftest import SMALL, small
from matters.suites.errors import InputError
from matters.suites.loading import SHIPPED, load_suite


def test_a_suite_is_found_by_name_and_by_path(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(SMALL)
    assert load_suite(str(path)) == small()
    assert load_suite("quickstart") == load_suite(str(SHIPPED / "quickstart.toml"))


@pytest.mark.parametrize(
    ("content", "place"),
    [
        (b"[suite]\nname = = 1\n", ":2: "),
        (b"[suite]\nname = 'x", ":2: "),
        (b"[suite]\n\n\nname = [1,", ":4: "),
    ],
)
def test_a_syntax_error_names_file_and_line(tmp_path: Path, content: bytes, place: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        load_suite(str(path))
    assert str(caught.value).startswith(f"{path}{place}")


def test_a_wrong_value_in_a_file_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(SMALL.replace("seeds = 3", "seeds = 0"))
    with pytest.raises(InputError) as caught:
        load_suite(str(path))
    assert str(caught.value) == f"{path}: suite.seeds = 0: should be greater than 0"


def test_a_suite_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="'quikstart': unknown suite; did you mean 'quickstart'"):
        load_suite("quikstart")
    with pytest.raises(InputError, match="No such file"):
        load_suite(str(tmp_path / "none.toml"))
    (tmp_path / "folder.toml").mkdir()
    with pytest.raises(InputError, match="Is a directory"):
        load_suite(str(tmp_path / "folder.toml"))
    (tmp_path / "latin.toml").write_bytes(b"[suite]\nname = '\xe9'")
    with pytest.raises(InputError, match="not UTF-8"):
        load_suite(str(tmp_path / "latin.toml"))
