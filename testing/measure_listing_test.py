import json

import pytest

from testing.measure_listing import main


def test_made_up_runs_are_read_as_runs(capsys: pytest.CaptureFixture[str]) -> None:
    main(3)
    assert json.loads(capsys.readouterr().out)["runs"] == 3
