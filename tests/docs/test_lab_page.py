"""The tutorial shows the lab as it is."""

from __future__ import annotations

from pathlib import Path

from terway_edge.lab.lans import lab_lans
from terway_edge.lab.layout import Layout
from terway_edge.lab.picture import PICTURE
from terway_edge.lab.way import by_next_hop, planned

PAGE = (Path(__file__).parents[2] / "docs" / "tutorial" / "first-lab.md").read_text()


def test_the_picture_is_the_one_that_is_printed() -> None:
    assert PICTURE in PAGE


def test_the_plans_routes_that_are_shown_are_those_of_the_plan() -> None:
    layout = Layout()
    plan = {each.device: list(by_next_hop(each.lines)) for each in planned(layout, lab_lans(layout))}
    for device in ("switch-a", "switch-b", "gateway", "vbr"):
        for routes in plan[device]:
            assert routes in PAGE, f"{device}: {routes}"
