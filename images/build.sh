#!/usr/bin/env bash
# Build, archive or push the images by docker or buildah: build.sh [list | build | archive | push]
# Settings, all from the environment:
#   BUILDER   docker or buildah               IMAGES    names, all if empty
#   BASE      an image of Python 3.11         REGISTRY  localhost, ghcr.io/me …      TAG  dev
#   TORCH     cpu or cuda                     WHEELS    a folder with a wheel of torch
#   CA        certificates for the build's downloads, in place of the base's
#   BUILD_FLAGS  more options for the builder, such as --no-cache
#   VERSION, REVISION, SOURCE                 labels; git's answer if not given
#   ARCHIVE   build/images.tar                DIGESTS   build/digests.txt
set -euo pipefail
cd "$(dirname "$0")/.."

BUILDER=${BUILDER:-$(docker info > /dev/null 2>&1 && echo docker || echo buildah)}
BASE=${BASE:-docker.io/library/python:3.11-slim-bookworm}
TORCH=${TORCH:-cpu}
REGISTRY=${REGISTRY:-localhost}
TAG=${TAG:-dev}
ARCHIVE=${ARCHIVE:-build/images.tar}
DIGESTS=${DIGESTS:-build/digests.txt}
VERSION=${VERSION:-$(git describe --tags --always --dirty 2> /dev/null || echo unknown)}
REVISION=${REVISION:-$(git rev-parse HEAD 2> /dev/null || echo unknown)}
SOURCE=${SOURCE:-$(git config --get remote.origin.url || echo unknown)}
PYTHON=${PYTHON:-python3}

# A line an image: name, family, target, project.
list() {
  local project family
  for project in services/*/src/*/descriptor.py; do
    project=${project%%/src/*}
    family=cpu
    if awk '/^dependencies/ {on=1} on; on && /\]/ {exit}' "$project/pyproject.toml" | grep '"torch' > /dev/null; then family=cuda; fi
    echo "${project#services/} $family stage $project"
  done
  echo "planner cpu planner workflows"
  echo "index cpu index services/index"
  echo "llm cpu llm services/llm"
  echo "store cpu store workflows"
}

wanted() {
  local name
  for name in ${IMAGES:-}; do
    list | grep "^$name " || { echo "no such image: $name (see images/build.sh list)" >&2; return 64; }
  done
  if [ -z "${IMAGES:-}" ]; then list; fi
}

build() {
  local name family target project options images
  images=$(wanted)
  while read -r name family target project; do
    options=(--file "images/$family.Dockerfile" --target "$target" --tag "$REGISTRY/graftline-$name:$TAG")
    for setting in BASE VERSION REVISION SOURCE; do options+=(--build-arg "$setting=${!setting}"); done
    if [ "$family" = cuda ]; then options+=(--build-arg "TORCH=$TORCH"); fi
    options+=(--build-arg "SERVICE=$name" --build-arg "PROJECT=$project")
    options+=(--build-arg "INSIDE=$(cat images/tools.lock images/inside/*.* | sha256sum | cut -c 1-16)")
    options+=(--build-arg "BUILD_ID=$(PYTHONPATH=services/sdk/src "$PYTHON" images/inside/bake.py "$project")")
    if [ -n "${WHEELS:-}" ]; then options+=(--build-context "wheels=$(realpath "$WHEELS")"); fi
    if [ -n "${CA:-}" ]; then options+=(--secret "id=ca,src=$(realpath "$CA")"); fi
    # shellcheck disable=SC2206
    options+=(${BUILD_FLAGS:-})
    echo "== $name" >&2
    case $BUILDER in
      docker) docker buildx build --load "${options[@]}" . < /dev/null ;;
      # One time for all files, the one of inside/finish.py: what is built again is the same, byte for byte.
      buildah) buildah build --layers --timestamp 1580601600 "${options[@]}" . < /dev/null ;;
      *) echo "BUILDER must be docker or buildah, not '$BUILDER'" >&2; return 64 ;;
    esac
  done <<< "$images"
}

# One OCI archive with all of them, each layer once.
archive() {
  local name image images layout references=()
  images=$(wanted)
  mkdir -p "$(dirname "$ARCHIVE")"
  while read -r name _; do references+=("$REGISTRY/graftline-$name:$TAG"); done <<< "$images"
  if [ "$BUILDER" = docker ]; then
    docker save --output "$ARCHIVE" "${references[@]}"
    return
  fi
  layout=$(mktemp -d "$ARCHIVE.XXXXXX")
  # shellcheck disable=SC2064
  trap "rm -rf '$layout'" EXIT
  # skopeo can leave layers unpacked and so copies each once; buildah packs a shared layer again for every image.
  for image in "${references[@]}"; do
    if command -v skopeo > /dev/null; then
      skopeo copy --quiet --dest-oci-accept-uncompressed-layers "containers-storage:$image" "oci:$layout:$image" \
        2> >(grep -v level=info >&2)
    else
      buildah push --quiet "$image" "oci:$layout:$image"
    fi
  done
  tar -C "$layout" -cf "$layout.tar" . && mv "$layout.tar" "$ARCHIVE"
}

# To the registry, with a line `name repository@digest` for each.
push() {
  local name reference digest images
  images=$(wanted)
  mkdir -p "$(dirname "$DIGESTS")"
  while read -r name _; do
    reference=$REGISTRY/graftline-$name
    if [ "$BUILDER" = docker ]; then
      docker push --quiet "$reference:$TAG" > /dev/null
      digest=$(docker buildx imagetools inspect --format '{{.Manifest.Digest}}' "$reference:$TAG")
    else
      buildah push --quiet --digestfile "$DIGESTS.new" "$reference:$TAG" "docker://$reference:$TAG"
      digest=$(cat "$DIGESTS.new") && rm "$DIGESTS.new"
    fi
    echo "$name $reference@$digest"
  done <<< "$images" | tee "$DIGESTS"
}

case ${1:-build} in
  list | build | archive | push) "${1:-build}" ;;
  *) echo "build.sh [list | build | archive | push], not '$1'" >&2; exit 64 ;;
esac
