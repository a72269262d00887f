"""One document of a known shape in a YAML or JSON file."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from terway_edge.cluster.documents import DocumentError, parse
from terway_edge.core.config import Section
from terway_edge.core.config_error import ConfigError, explain

Model = TypeVar("Model", bound=Section)


def read_document(path: Path, model: type[Model]) -> Model:
    """Raises ConfigError, one line per mistake."""
    try:
        documents = parse(path.read_text("utf-8-sig"), yaml=path.suffix != ".json")
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read: {error.strerror}"]) from None
    except (DocumentError, UnicodeDecodeError) as error:
        raise ConfigError([f"{path}: {error}"]) from None
    if len(documents) > 1:
        raise ConfigError([f"{path}: holds {len(documents)} documents, expected one; remove the '---' between them"])
    try:
        return model.model_validate(documents[0] if documents else {})
    except ValidationError as error:
        raise ConfigError([f"{path}: {line}" for line in explain(error, model, {})]) from None
