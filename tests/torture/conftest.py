"""For tests that run a torture."""

import pytest

from tests.torture.running import left_over


@pytest.fixture
def nothing_stays():
    """No torture leaves anything behind."""
    assert left_over() == set(), "a torture runs, or was killed"
    yield
    assert left_over() == set()
