"""Alibaba Cloud on one machine: ECS, VPC, ENS, STS and instance metadata, strict and with a memory.

    cloud, records, subnet      what there is; founding builds it from a site
    ecs/ vpc/ ens/ sts/         the actions: parameters, rules, shapes of answers
    gate, signature, vault      who may call
    faults, fault_plan, outside what goes wrong
    desk, emulator              one call from request to reply
    server                      all that over HTTP

It refuses what the real service refuses, and more where the documentation is clear and the service lenient: unknown
parameters, `True` for `true`, the text None.
"""

from terway_edge.testing.http import listen
from terway_edge.testing.openapi.emulator import Emulator
from terway_edge.testing.openapi.example import example_site
from terway_edge.testing.openapi.faults import Script
from terway_edge.testing.openapi.files import read_faults, read_site
from terway_edge.testing.openapi.log import CallLog, CallRecord
from terway_edge.testing.openapi.observer import Observer
from terway_edge.testing.openapi.records import Eni, EniStatus, EniType, Instance, Product
from terway_edge.testing.openapi.server import Server
from terway_edge.testing.openapi.site import Site

__all__ = [
    "CallLog",
    "CallRecord",
    "Emulator",
    "Eni",
    "EniStatus",
    "EniType",
    "Instance",
    "Observer",
    "Product",
    "Script",
    "Server",
    "Site",
    "example_site",
    "listen",
    "read_faults",
    "read_site",
]
