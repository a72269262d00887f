"""Types of configuration fields: text in the file, a value of ours in the model, text again when shown."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, PlainSerializer, PlainValidator, WithJsonSchema

from terway_edge.core.addresses import Address, Prefix
from terway_edge.core.selectors import Selector


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("expected text in quotes")
    return value.strip()


def _prefix(value: object) -> Prefix:
    if isinstance(value, Prefix):
        return value
    text = _text(value)
    try:
        return Prefix.parse(text)
    except ValueError as error:
        raise ValueError(f"expected a CIDR such as 10.0.0.0/8: {error}") from None


def _address(value: object) -> Address:
    if isinstance(value, Address):
        return value
    text = _text(value)
    try:
        return Address.parse(text)
    except ValueError as error:
        raise ValueError(f"expected an address such as 192.0.2.1: {error}") from None


def _selector(value: object) -> Selector:
    return value if isinstance(value, Selector) else Selector.parse(_text(value))


def _regex(value: str) -> str:
    try:
        re.compile(value)
    except re.error as error:
        raise ValueError(f"expected a regular expression: {error}") from None
    return value


def _absolute(value: Path) -> Path:
    if not value.is_absolute():
        raise ValueError("expected an absolute path, one that starts with /")
    return value


def _family(family: int) -> AfterValidator:
    def check(value: Address) -> Address:
        if value.family != family:
            raise ValueError(f"expected an IPv{family} address")
        return value

    return AfterValidator(check)


_AS_TEXT = PlainSerializer(str, return_type=str)

Cidr = Annotated[
    Prefix, PlainValidator(_prefix), _AS_TEXT, WithJsonSchema({"type": "string", "examples": ["10.0.0.0/8"]})
]
IpAddress = Annotated[
    Address, PlainValidator(_address), _AS_TEXT, WithJsonSchema({"type": "string", "examples": ["192.0.2.1"]})
]
Ipv4Address = Annotated[IpAddress, _family(4)]
Ipv6Address = Annotated[IpAddress, _family(6)]
LabelSelector = Annotated[
    Selector, PlainValidator(_selector), _AS_TEXT, WithJsonSchema({"type": "string", "examples": ["all()", "zone=a"]})
]
Regex = Annotated[str, AfterValidator(_regex)]
AbsolutePath = Annotated[Path, AfterValidator(_absolute)]
