# syntax=docker/dockerfile:1
#
# The image of the agents and of the control plane, for both architectures:
#
#   docker buildx build --platform linux/amd64,linux/arm64 --push -t REGISTRY/terway-edge:0.1.0 \
#       --build-arg PYTHON=python:3.11-slim-bookworm@sha256:DIGEST --build-arg SOURCE_DATE_EPOCH=SECONDS .
#
# Every stage is built on its platform, emulated where the builder's is another: what is compiled is one file of C.

# A release gives the digest: a tag moves.
ARG PYTHON=python:3.11-slim-bookworm

FROM ${PYTHON} AS shim
RUN apt-get update \
    && apt-get install -y --no-install-recommends gcc musl-tools \
    && rm -rf /var/lib/apt/lists/*
COPY terway_edge/cni/shim.c /src/shim.c
# Static: it runs on hosts of whatever distribution.
RUN musl-gcc -std=c11 -Os -static -s -Wall -Wextra -Werror -o /terway-edge /src/shim.c

FROM ${PYTHON} AS build
# The time of everything in the wheel, if the builder gives it (reproducible-builds.org); else one of the past.
ARG SOURCE_DATE_EPOCH
COPY deploy/image/build.lock deploy/image/run.lock /locks/
RUN python -m venv /build \
    && /build/bin/pip install --no-cache-dir --require-hashes -r /locks/build.lock \
    && python -m venv --without-pip /opt/terway-edge \
    && pip --python /opt/terway-edge/bin/python install --no-cache-dir --no-compile --require-hashes -r /locks/run.lock
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY terway_edge/ terway_edge/
COPY --from=shim /terway-edge terway_edge/cni/bin/terway-edge
# Bytecode by hash, which the read-only image never has to look at again.
RUN /build/bin/pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir /wheels . \
    && pip --python /opt/terway-edge/bin/python install --no-cache-dir --no-compile --no-deps /wheels/*.whl \
    && python -m compileall -q --invalidation-mode unchecked-hash /opt/terway-edge/lib

FROM ${PYTHON} AS root
RUN apt-get update \
    && apt-get install -y --no-install-recommends nftables \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build /opt/terway-edge /opt/terway-edge
# Nobody can become somebody else there, nor is there a shell or anything that installs; the lists of packages stay, for
# scanners. Shells go last: one of them does this.
RUN find / -xdev -type f -perm /6000 -exec chmod a-s {} + \
    && rm -rf /usr/bin/apt* /usr/bin/dpkg* /usr/bin/perl* /usr/local/bin/pip* \
        /usr/local/lib/python3*/ensurepip /usr/local/lib/python3*/site-packages/pip* \
    && rm -f /bin/bash /bin/dash /bin/rbash /bin/sh

# One layer, without what was removed.
FROM scratch
COPY --from=root / /
LABEL org.opencontainers.image.title="terway-edge" \
    org.opencontainers.image.description="One CNI agent that gives pods underlay addresses in the cloud, on ENS and at the edge" \
    org.opencontainers.image.version="0.1.0" \
    org.opencontainers.image.licenses="Apache-2.0"
ENV PATH=/opt/terway-edge/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 \
    PYTHONDONTWRITEBYTECODE=1
# Root, for the agent cannot be anybody else: it changes the node's network, its directories are root's alone, and Kubernetes
# gives capabilities to root only. The control plane's manifest chooses another user.
USER 0:0
ENTRYPOINT ["terway-edge"]
CMD ["agent"]
