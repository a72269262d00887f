"""A kubeconfig for the server."""

from __future__ import annotations

import base64
import os
from pathlib import Path

import yaml

NAME = "terway-edge-test"


def write_kubeconfig(path: Path, url: str, *, token: str = "", authority: bytes = b"") -> None:
    """Mode 0600, since it may hold a token.

    :param authority: PEM of the certificate to trust
    Raises OSError.
    """
    cluster = {"server": url}
    if authority:
        cluster["certificate-authority-data"] = base64.b64encode(authority).decode()
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": NAME,
        "contexts": [{"name": NAME, "context": {"cluster": NAME, "user": NAME}}],
        "clusters": [{"name": NAME, "cluster": cluster}],
        "users": [{"name": NAME, "user": {"token": token} if token else {}}],
    }
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        yaml.safe_dump(document, file, sort_keys=False)
