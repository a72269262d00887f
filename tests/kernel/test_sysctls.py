"""Sysctls below the directory that they are mounted at, and nowhere else."""

from __future__ import annotations

from pathlib import Path

import pytest

from terway_edge.core.errors import Refused
from terway_edge.core.plans import Sysctl
from terway_edge.kernel.sysctls import write


@pytest.mark.parametrize(("before", "when", "after"), [("0\n", "", "1\n"), ("0\n", "0", "1\n"), ("2\n", "0", "2\n")])
def test_a_value_is_written_where_it_is_mounted(tmp_path: Path, before: str, when: str, after: str) -> None:
    (tmp_path / "ipv4").mkdir()
    file = tmp_path / "ipv4/ip_forward"
    file.write_text(before)
    write(Sysctl("ipv4/ip_forward", "1", when), tmp_path)
    assert file.read_text() == after


@pytest.mark.parametrize("path", ["../kernel/panic", "ipv4/../../kernel/panic", "ipv4/x\0"])
def test_a_path_that_leads_elsewhere_is_refused(tmp_path: Path, path: str) -> None:
    with pytest.raises(Refused, match=f"is not below {tmp_path}"):
        write(Sysctl(path, "1"), tmp_path)
