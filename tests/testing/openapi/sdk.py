"""The vendor's own SDK, pointed at an emulator."""

from __future__ import annotations

import importlib
import inspect
import json
import logging
from typing import Any

from aliyunsdkcore.auth.credentials import StsTokenCredential
from aliyunsdkcore.client import AcsClient
from aliyunsdkcore.http.protocol_type import HTTP
from aliyunsdkcore.request import CommonRequest, RpcRequest

from terway_edge.testing.openapi.example import REGION

logging.getLogger("aliyunsdkcore").setLevel(logging.CRITICAL)  # it logs every refusal, with URL and key

VERSIONS = {"ecs": "2014-05-26", "vpc": "2016-04-28", "ens": "2017-11-10"}


def request_class(product: str, action: str) -> type[RpcRequest]:
    module = f"aliyunsdk{product}.request.v{VERSIONS[product].replace('-', '')}.{action}Request"
    return getattr(importlib.import_module(module), f"{action}Request")


class Sdk:
    """One client. Retries are off, so that a test sees each answer."""

    def __init__(self, endpoint: str, key=("testid", "testsecret"), token: str = "", timeout: float = 10.0) -> None:
        credential = StsTokenCredential(*key, token) if token else None
        pair = (None, None) if token else key
        self.endpoint = endpoint
        self.client = AcsClient(
            *pair,
            REGION,
            credential=credential,
            auto_retry=False,
            proxy={"http": None, "https": None},
            timeout=timeout,
            pool_size=16,
        )

    def request(self, product: str, action: str, **parameters: Any) -> RpcRequest:
        """With the setter of the request class for each parameter; whatever has none is added by its wire name."""
        if product == "sts":
            request = CommonRequest(product="Sts", version="2015-04-01", action_name=action)
        else:
            request = request_class(product, action)()
        for name, value in parameters.items():
            _set(request, name, value)
        request.set_endpoint(self.endpoint)
        request.set_protocol_type(HTTP)  # a few classes say https themselves
        return request

    def send(self, request: RpcRequest) -> dict[str, Any]:
        """Raises the SDK's ServerException and ClientException."""
        return json.loads(self.client.do_action_with_exception(request))

    def __call__(self, product: str, action: str, **parameters: Any) -> dict[str, Any]:
        return self.send(self.request(product, action, **parameters))

    def close(self) -> None:
        self.client.session.close()


def _set(request: RpcRequest, name: str, value: Any) -> None:
    """Tags are pairs; a JSON array is given as text, which is what ENS setters make of a list themselves."""
    if isinstance(value, list) and value and isinstance(value[0], tuple):
        value = [{"Key": key, "Value": text} for key, text in value]
    setter = getattr(request, f"set_{name}s", None) if isinstance(value, list) else None
    setter = setter or getattr(request, f"set_{name}", None)
    if setter is None or name == "RegionId":
        request.add_query_param(name.replace("__", "."), value)
        return
    setter(json.loads(value) if "json.dumps" in inspect.getsource(setter) else value)
