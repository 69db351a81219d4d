#!/usr/bin/env bash
# Build a base image from Debian's packages where none can be pulled: Python 3.11 and certificates, as slim as
# python:3.11-slim. Wants mmdebstrap, and root or user namespaces.
#   BUILDER=buildah BASE=localhost/graftline-base:bookworm images/base.sh
set -euo pipefail
BUILDER=${BUILDER:-$(docker info > /dev/null 2>&1 && echo docker || echo buildah)}
BASE=${BASE:-localhost/graftline-base:bookworm}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# shellcheck disable=SC2016
mmdebstrap --quiet --variant=minbase --include=python3,ca-certificates \
  --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
  --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
  --customize-hook='rm -f "$1/etc/resolv.conf" "$1/etc/hostname"' \
  bookworm "$work/base.tar"
case $BUILDER in
  docker) docker import "$work/base.tar" "$BASE" ;;
  buildah)
    printf 'FROM scratch\nADD base.tar /\nCMD ["python3"]\n' > "$work/Dockerfile"
    buildah build --quiet --tag "$BASE" --file "$work/Dockerfile" "$work"
    ;;
  *) echo "BUILDER must be docker or buildah, not '$BUILDER'" >&2; exit 64 ;;
esac
