"""Types of the values in Terway's configuration, as its JSON has them: text, numbers without quotes, true and false.

Durations become seconds. Where Terway takes an empty text for none, the model has dropped it before (`eni_keys.Part`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, PlainValidator, Strict, WithJsonSchema

from terway_edge.core.durations import parse_duration
from terway_edge.core.secret import Secret

MOST = 2**31 - 1
MAX_TAGS = 20  # of an ENI

TAG_WORDS = "expected an object with the texts key and value"


class Tag(NamedTuple):
    key: str
    value: str


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("expected text in quotes")
    return value.strip()


def _secret(value: object) -> Secret:
    return Secret(_text(value).encode(errors="surrogatepass"))


def _duration(value: object) -> float:
    return parse_duration(_text(value))


def _fraction(value: object) -> float:
    text = _text(value)
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number <= 1:
        raise ValueError('expected a number in quotes, "0".."1"')
    return number


def _tag(value: object) -> Tag:
    if not isinstance(value, Mapping):
        raise ValueError(TAG_WORDS)
    key, text = value.get("key"), value.get("value", "")
    if not isinstance(key, str) or not key or not isinstance(text, str):
        raise ValueError(TAG_WORDS)
    return Tag(key, text)


def _bandwidth(value: object) -> bool:
    """Of the `capabilities` of a CNI plugin."""
    if not isinstance(value, Mapping):
        raise ValueError('expected an object such as {"bandwidth": true}')
    found = value.get("bandwidth", True)
    if not isinstance(found, bool):
        raise ValueError("expected true or false for bandwidth")
    return found


def _few(value: Mapping[str, str]) -> Mapping[str, str]:
    if len(value) > MAX_TAGS:
        raise ValueError(f"expected at most {MAX_TAGS} tags, which is what an ENI takes")
    return value


def _zero_is_none(value: object) -> object:
    return None if value == 0 and not isinstance(value, bool) else value


_SHOWN_AS_TEXT = PlainSerializer(str, return_type=str)
_TEXT_SCHEMA = WithJsonSchema({"type": "string"})

Text = Annotated[str, Strict(), Field(min_length=1)]
Flag = Annotated[bool, Strict()]
Number = Annotated[int, Strict(), Field(ge=-MOST, le=MOST)]
Count = Annotated[int, Strict(), Field(ge=0, le=MOST)]
PerMinute = Annotated[int, Strict(), Field(ge=1, le=MOST)]
Ratio = Annotated[float, Strict(), Field(ge=0, allow_inf_nan=False)]
SecretText = Annotated[Secret, PlainValidator(_secret), _SHOWN_AS_TEXT, _TEXT_SCHEMA]
Seconds = Annotated[float, PlainValidator(_duration), WithJsonSchema({"type": "string", "format": "duration"})]
Fraction = Annotated[float, PlainValidator(_fraction), _TEXT_SCHEMA]
TagEntry = Annotated[Tag, PlainValidator(_tag), WithJsonSchema({"type": "object"})]
Tags = Annotated[Mapping[str, Annotated[str, Strict()]], AfterValidator(_few)]
Bandwidth = Annotated[bool, PlainValidator(_bandwidth), WithJsonSchema({"type": "object"})]
Mtu = Annotated[int | None, BeforeValidator(_zero_is_none)]


def no_nothing(value: Mapping[str, Any]) -> Mapping[str, Any]:
    """An object without the keys that are null or an empty text, which is how Terway writes that there is none."""
    return {key: item for key, item in value.items() if item is not None and item != ""}
