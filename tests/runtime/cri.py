"""The Container Runtime Interface from Python. containerd's own binary says what its messages look like.

Generated Go code keeps the descriptor of each .proto file in gzip, so that no copy of the CRI's is needed here, and
the messages are those of the version that runs.
"""

import re
import zlib
from functools import cache
from pathlib import Path

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message, message_factory

PACKAGE = "runtime.v1"
GZIP = re.compile(rb"\x1f\x8b\x08")
RECONNECT = [(f"grpc.{which}_reconnect_backoff_ms", 100) for which in ("initial", "min", "max")]
AS_IN_PROTO = {"preserving_proto_field_name": True}
LARGEST = 1 << 18  # bytes of a compressed descriptor, at most


class CriError(Exception):
    """What the runtime says went wrong."""


class Cri:
    """One connection to a runtime; requests and answers are dictionaries with the names of the .proto file."""

    def __init__(self, binary, socket):
        self._services = services(binary)
        self._channel = grpc.insecure_channel(f"unix://{socket}", RECONNECT)

    def close(self):
        self._channel.close()

    def call(self, method, request=None, *, timeout=30.0):
        """The answer. Raises CriError."""
        service, sent, received = self._services[method]
        stub = self._channel.unary_unary(
            f"/{PACKAGE}.{service}/{method}",
            request_serializer=sent.SerializeToString,
            response_deserializer=received.FromString,
        )
        try:
            answer = stub(json_format.ParseDict(request or {}, sent()), timeout=timeout, wait_for_ready=True)
        except grpc.RpcError as error:
            raise CriError(error.details()) from None
        return json_format.MessageToDict(answer, always_print_fields_with_no_presence=True, **AS_IN_PROTO)


@cache
def services(binary):
    """{method: (service, class of the request, class of the answer)}"""
    described = _descriptor(Path(binary).read_bytes())
    pool = descriptor_pool.DescriptorPool()
    file = pool.AddSerializedFile(described.SerializeToString())
    found = {}
    for name, service in file.services_by_name.items():
        for method in service.methods:
            classes = map(message_factory.GetMessageClass, (method.input_type, method.output_type))
            found[method.name] = (name, *classes)
    return found


def _descriptor(program):
    for match in GZIP.finditer(program):
        try:
            raw = zlib.decompressobj(31).decompress(program[match.start() : match.start() + LARGEST])
            described = descriptor_pb2.FileDescriptorProto.FromString(raw)
        except (zlib.error, message.DecodeError):  # other bytes that look the same, or another message
            continue
        if described.package == PACKAGE:
            return _without_options(described)
    raise LookupError(f"the runtime's binary describes no {PACKAGE}")


def _without_options(file):
    """Options say how Go code is generated, and their own descriptor is another file."""
    file.ClearField("options")
    del file.dependency[:]
    for part in (*file.message_type, *file.service, *file.enum_type):
        part.ClearField("options")
    for field in (field for message_type in file.message_type for field in message_type.field):
        field.ClearField("options")
    return file
