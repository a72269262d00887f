"""A node with a real agent for each test; see machine.py."""

import pytest

from tests.system.machine import Machine


@pytest.fixture
def stopped(tmp_path):
    """A machine whose agent was not started yet."""
    made = Machine(tmp_path)
    yield made
    made.close()


@pytest.fixture
def machine(stopped):
    stopped.start()
    return stopped
