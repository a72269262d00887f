"""The cloud's API as this node's settings and the cluster's configuration say; only cloud and ENS nodes import it."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from terway_edge.core.cloud import NO_ACCESS, Api, Cloud, CloudAccess, Metadata
from terway_edge.core.config import Settings
from terway_edge.core.errors import Refused
from terway_edge.core.ports import Clock

if TYPE_CHECKING:
    from terway_edge.cloud.limits import InstanceTypes
    from terway_edge.cloud.opening import Surroundings
    from terway_edge.cloud.settings import CloudSettings

log = logging.getLogger(__name__)

CLIENT_PACKAGES = ("aliyunsdkcore", "aliyunsdkecs", "aliyunsdkens", "aliyunsdkvpc")


class AliyunClouds:
    """`Clouds` by the vendor's SDK, which is imported when the first API is opened."""

    def __init__(self, settings: Settings, clock: Clock, environ: Mapping[str, str] = os.environ) -> None:
        self._settings = settings
        self._clock = clock
        self._environ = environ

    def open(self, api: Api, deadline: float, access: CloudAccess = NO_ACCESS) -> Cloud:
        from terway_edge.cloud.opening import open_ecs, open_ens

        settings = with_access(cloud_settings(self._settings), access, self._environ)
        try:
            if api is Api.ENS:
                return open_ens(settings, self._around())
            return open_ecs(settings, self._around(), known_types(access.instance_type_info), deadline)
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] not in CLIENT_PACKAGES:
                raise
            raise Refused(
                f"package {error.name} is missing, which nodes on {api.upper()} need: install terway-edge[cloud]"
            ) from error

    def see_credentials(self, deadline: float) -> None:
        """Raises CloudError if there are none to be had until then. Nothing says that the API takes them."""
        from terway_edge.cloud.opening import open_credentials

        settings = with_access(cloud_settings(self._settings), NO_ACCESS, self._environ)
        open_credentials(settings, self._around()).current(deadline)

    def metadata(self) -> Metadata:
        from terway_edge.cloud.opening import open_metadata

        return open_metadata(cloud_settings(self._settings), self._around())

    def _around(self) -> Surroundings:
        from terway_edge.cloud.opening import Surroundings

        return Surroundings(self._clock, environ=self._environ)


def known_types(annotation: str) -> InstanceTypes:
    """What the node tells of its own instance type, which saves a call."""
    from terway_edge.cloud.limits import InstanceTypes, read_annotation

    types = InstanceTypes()
    if annotation:
        try:
            types.put(*read_annotation(annotation))
        except ValueError as error:
            log.warning("%s", error)
    return types


def cloud_settings(settings: Settings) -> CloudSettings:
    """Of the client, as the agent's section `cloud` has them."""
    from terway_edge.cloud.settings import CloudSettings, CredentialSource

    values = {
        name.removesuffix("_seconds"): getattr(settings.cloud, name) for name in type(settings.cloud).model_fields
    }
    values["credentials"] = CredentialSource(settings.cloud.credentials)
    return CloudSettings(**values, threads=settings.cni.workers)


def with_access(
    settings: CloudSettings, access: CloudAccess, environ: Mapping[str, str], addon: Path | None = None
) -> CloudSettings:
    """What the agent's settings and the environment leave open is as the cluster has it.

    :param addon: the directory of the add-on's Secret, which wins over other credentials of the cluster's
    """
    from terway_edge.cloud.credentials import KEY_ID
    from terway_edge.core.eni_keys import ADDON_SECRET

    path, key = settings.credentials_path, None
    if path is None and not environ.get(KEY_ID, "").strip():
        addon = addon or Path(ADDON_SECRET)
        has_addon = (addon / "access-key-id").exists()  # a Secret that does not exist may be mounted as nothing
        key = None if has_addon else access.key
        path = addon if has_addon else None if key else access.credentials_path
    return replace(
        settings,
        region=settings.region or access.region,
        credentials_path=path,
        key=key,
        rate_limit={**access.rate_limit, **settings.rate_limit},
    )
