"""What the tests of the agent share; see rig.py."""

import pytest

from tests.agent.rig import Rig


@pytest.fixture
def rig():
    return Rig()
