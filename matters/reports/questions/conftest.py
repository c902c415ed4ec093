"""What tests of questions share."""

import pytest


@pytest.fixture
def undrawn(monkeypatch):
    """Sections without their figures, which take longer than all else."""
    monkeypatch.setattr("matters.reports.page.forests.forest", lambda *_: None)
    monkeypatch.setattr("matters.reports.page.difference_figures.differences", lambda *_: None)
