"""A Kubernetes API server on one machine: strict, with a memory, and able to fail on request.

    objects, kinds, builtin, crds, catalog   what there is
    schema/ cel/                             what objects must look like
    store, state, clock                      revisions, history, what follows from a change
    rest/ patch/                             what the verbs do; field owners
    show/ pages                              tables, discovery, OpenAPI
    access/                                  tokens and RBAC
    faults/ outside log                      what goes wrong, who else writes, what was asked
    verbs, double                            one call from request to reply
    server, tls, kubeconfig                  all that over HTTP

Not there: controllers (nothing makes Pods of a DaemonSet; namespaces end at once, owner references are not followed),
admission plug-ins and webhooks, protobuf and CBOR bodies, HTTP/2, scale and eviction, conversion between versions of
a CRD beyond the name, Events that expire, aggregated ClusterRoles, checks against escalation.
"""

from terway_edge.testing.apiserver.access.users import ADMIN, Tokens, User, service_account
from terway_edge.testing.apiserver.double import ApiServer
from terway_edge.testing.apiserver.errors import ApiError
from terway_edge.testing.apiserver.faults.script import Script
from terway_edge.testing.apiserver.kubeconfig import write_kubeconfig
from terway_edge.testing.apiserver.log import CallLog, CallRecord
from terway_edge.testing.apiserver.server import Server
from terway_edge.testing.apiserver.settings import Settings
from terway_edge.testing.apiserver.tls import Certificate, self_signed
from terway_edge.testing.http import listen

__all__ = [
    "ADMIN",
    "ApiError",
    "ApiServer",
    "CallLog",
    "CallRecord",
    "Certificate",
    "Script",
    "Server",
    "Settings",
    "Tokens",
    "User",
    "listen",
    "self_signed",
    "service_account",
    "write_kubeconfig",
]
