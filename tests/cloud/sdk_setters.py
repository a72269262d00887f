"""The vendor's request classes, to compare with what this project sends."""

from __future__ import annotations

import importlib
import inspect
import json
from typing import Any

from terway_edge.cloud.requests import Action

SAMPLES = {
    "text": "a",
    "number": 7,
    "flag": False,
    "indexed": ["a", "b"],
    "json_list": ["a", "b"],
    "tags": {"key": "value"},
}
"""A value for each codec of ours, by its name."""


def request_class(action: Action) -> Any:
    module = importlib.import_module(f"{action.product.package}.{action.name}Request")
    return getattr(module, f"{action.name}Request")


def sdk_pairs(action: Action, name: str, value: Any) -> dict[str, str]:
    """What the class sends when its own setter, whatever it is called, is given the value."""
    request = request_class(action)()
    setter = getattr(request, f"set_{name}", None) or getattr(request, f"set_{name}s")
    if isinstance(value, dict):
        value = [{"Key": key, "Value": each} for key, each in value.items()]
    elif isinstance(value, list) and "for " not in (source := inspect.getsource(setter)) and "json" not in source:
        value = json.dumps(value)  # the class leaves that to its caller
    setter(value)
    return {key: str(each) for key, each in request.get_query_params().items()}
