#!/bin/sh
# Install our own packages from wheels built here, and write the last one's build id into it.
# An empty BUILD_ID is not compared. It wants /opt/hatchling, and the sources' root to run in.
#   own.sh ENVIRONMENT BUILD_ID PROJECT...
set -eu
inside=$(dirname "$0")
environment=$1 build_id=$2
shift 2
for project; do
  (cd "$project" && /opt/hatchling/bin/hatchling build --target wheel --directory /tmp/wheels)
done
"$inside/../bin/uv" venv --quiet "$environment"
# By name: of a path, uv would note when it was installed.
set --
for wheel in /tmp/wheels/*.whl; do
  name=${wheel##*/}
  set -- "$@" "${name%%-*}"
done
"$inside/../bin/uv" pip install --quiet --no-cache --link-mode copy --python "$environment/bin/python" \
  --no-deps --no-index --find-links /tmp/wheels "$@"
PYTHONPATH=services/sdk/src python3 "$inside/bake.py" "$project" --expect "$build_id" \
  --into "$(echo "$environment"/lib/python3*/site-packages)"
python3 "$inside/finish.py" "$environment"
