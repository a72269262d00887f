from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.eni_cloud.rig import CloudRig


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., CloudRig]]:
    """Rigs that are closed at the end."""
    with ExitStack() as stack:

        def build(*arguments: Any, **more: Any) -> CloudRig:
            rig = CloudRig(tmp_path / f"node{len(list(tmp_path.iterdir()))}", *arguments, **more)
            stack.callback(rig.close)
            return rig

        yield build
