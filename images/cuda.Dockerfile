# The images with torch, for the CPU (TORCH=cpu) or with CUDA (TORCH=cuda). CUDA's libraries come as wheels, so the
# base is the CPU family's. images/build.sh builds them all; one by hand, from the repository's root:
#   docker build -f images/cuda.Dockerfile --target stage --build-arg SERVICE=train --build-arg PROJECT=services/train .
ARG BASE=docker.io/library/python:3.11-slim-bookworm

# Where `--build-context wheels=FOLDER` puts a wheel of torch; nothing, if it is not given.
FROM scratch AS wheels

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

# What torch needs, and what all four share.
FROM tools AS locks
WORKDIR /locks
COPY services/model/requirements.lock model.txt
COPY services/train/requirements.lock train.txt
COPY services/evaluate/requirements.lock evaluate.txt
COPY services/export/requirements.lock export.txt
RUN python3 /opt/tools/inside/pick.py model.txt train.txt evaluate.txt export.txt > common.lock \
    && python3 /opt/tools/inside/pick.py common.lock \
      --only filelock,fsspec,jinja2,markupsafe,mpmath,networkx,setuptools,sympy,typing-extensions > torch.lock

# Torch alone, in the layer that changes least.
FROM base AS torch
ARG TORCH=cuda
ARG TORCH_CPU_INDEX=https://download.pytorch.org/whl/cpu
COPY --from=locks /locks/torch.lock /opt/graftline/locks/
COPY tests/torch.txt /opt/graftline/locks/
RUN --mount=type=bind,from=tools,source=/opt/tools,target=/mnt/tools \
    --mount=type=bind,from=wheels,target=/mnt/wheels \
    --mount=type=cache,target=/mnt/cache \
    --mount=type=secret,id=ca,target=/etc/ssl/certs/ca-certificates.crt \
    /mnt/tools/inside/install.sh /opt/graftline /opt/graftline/locks/torch.lock \
    && /mnt/tools/inside/torch.sh /opt/graftline "${TORCH}" /opt/graftline/locks/torch.txt

# What every image of the family needs besides.
FROM torch AS common
COPY --from=locks /locks/common.lock /opt/graftline/locks/
RUN --mount=type=bind,from=tools,source=/opt/tools,target=/mnt/tools \
    --mount=type=cache,target=/mnt/cache \
    --mount=type=secret,id=ca,target=/etc/ssl/certs/ca-certificates.crt \
    /mnt/tools/inside/install.sh /opt/graftline /opt/graftline/locks/common.lock

# What one adds; to `model` also the model of the default recipes, so that they run without a network.
FROM common AS stage
ARG SERVICE
ARG PROJECT
COPY ${PROJECT}/requirements.lock /opt/graftline/locks/own/service.lock
COPY images/model.lock /opt/graftline/locks/own/
RUN --mount=type=bind,from=tools,source=/opt/tools,target=/mnt/tools \
    --mount=type=cache,target=/mnt/cache \
    --mount=type=secret,id=ca,target=/etc/ssl/certs/ca-certificates.crt \
    if [ "${SERVICE}" != model ]; then rm /opt/graftline/locks/own/model.lock; fi \
    && /mnt/tools/inside/install.sh /opt/graftline /opt/graftline/locks/own/*.lock
COPY --from=own /opt/graftline /opt/graftline
ARG BUILD_ID
ARG VERSION
ARG REVISION
ARG SOURCE
ENV PATH=/opt/graftline/bin:/usr/local/bin:/usr/bin:/bin HOME=/tmp USER=graftline \
    PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility GRAFTLINE_STAGE=graftline_${SERVICE}
WORKDIR /tmp
USER 65532:65532
LABEL org.opencontainers.image.title=graftline-${SERVICE} \
    org.opencontainers.image.licenses=Apache-2.0 \
    org.opencontainers.image.source=${SOURCE} \
    org.opencontainers.image.revision=${REVISION} \
    org.opencontainers.image.version=${VERSION} \
    dev.graftline.build-id=${BUILD_ID} \
    dev.graftline.stage=${SERVICE}
ENTRYPOINT ["graftline-stage"]
