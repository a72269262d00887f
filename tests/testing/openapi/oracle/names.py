"""What the vendor's SDKs call things: request classes of the older one, models of the newer one as recorded here."""

from __future__ import annotations

import inspect
import json
import re
from typing import Any

from tests.testing.openapi.oracle.generate import RECORDED
from tests.testing.openapi.sdk import request_class

MODELS: dict[str, dict[str, dict[str, Any]]] = json.loads(RECORDED.read_text())


def class_parameters(product: str, action: str) -> dict[str, str]:
    """Wire name of each parameter of a request class, and how it travels: `plain`, `list`, `tags` or `json`."""
    source = inspect.getsource(request_class(product, action))
    names = dict.fromkeys(re.findall(r"add_query_param\('([\w.]+)'", source), "plain")
    names |= dict.fromkeys(re.findall(r"add_query_param\('(\w+)\.' \+ str\((?:depth1|index1) \+ 1\), ", source), "list")
    names |= dict.fromkeys(re.findall(r"add_query_param\('(\w+)\.' \+ str\(depth1 \+ 1\) \+ '\.Key'", source), "tags")
    names |= dict.fromkeys(re.findall(r'add_query_param\("(\w+)", json\.dumps', source), "json")
    return {name: how for name, how in names.items() if not name.endswith(".")}


def differences(shape: Any, answer: Any, path: str = "") -> list[str]:
    """Where an answer has a field that the vendor's model does not know, or one of another type."""
    if isinstance(shape, dict):
        if not isinstance(answer, dict):
            return [f"{path} is no object"]
        unknown = [f"{path}.{name} is unknown" for name in answer if name not in shape]
        known = [(name, value) for name, value in answer.items() if name in shape]
        return unknown + [line for name, value in known for line in differences(shape[name], value, f"{path}.{name}")]
    if isinstance(shape, list):
        if not isinstance(answer, list):
            return [f"{path} is no list"]
        return [line for each in answer for line in differences(shape[0], each, f"{path}[]")]
    types = {"str": str, "int": int, "bool": bool, "float": (int, float)}
    fits = isinstance(answer, types[shape]) and (shape == "bool" or not isinstance(answer, bool))
    return [] if fits else [f"{path} is {answer!r}, not {shape}"]
