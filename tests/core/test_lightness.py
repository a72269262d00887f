"""Modules that every process imports load no library that only some need."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize("module", ["models", "ports", "hookspecs", "routes"])
def test_the_core_of_the_core_loads_no_settings_library(module: str) -> None:
    code = f"import sys, terway_edge.core.{module}; print('pydantic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
