#!/usr/bin/env bash
# Compile one hashed lock a package, all from one resolution, without torch (pip installs it: see README).
set -euo pipefail
cd "$(dirname "$0")/.."
uv=${VENV:-.venv}/bin/uv
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# An override that never applies takes torch, and all of CUDA with it, out of the resolution.
cat > "$work/override.txt" <<END
torch ; python_version < '3'
graftline-sdk @ file://$PWD/services/sdk
END
options=(--quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url
  --no-emit-find-links --override "$work/override.txt" --no-emit-package graftline-sdk --custom-compile-command "make lock")
# Whether a package runs with torch; tests that want it find it in the tests' own environment.
needs_torch() {
  "${VENV:-.venv}/bin/python" -c 'import sys, tomllib
with open(sys.argv[1], "rb") as file:
    needs = tomllib.load(file)["project"]["dependencies"]
sys.exit(not any(need.startswith("torch") for need in needs))' "$1"
}
projects=()
for package in $PACKAGES; do projects+=("$package/pyproject.toml"); done
"$uv" pip compile "${options[@]}" "${projects[@]}" tests/requirements.in tests/bench/requirements.in tests/torch-needs.in -o "$work/all.txt"
for package in $PACKAGES; do
  needs=()
  if needs_torch "$package/pyproject.toml"; then needs+=(tests/torch-needs.in); fi
  "$uv" pip compile "${options[@]}" "$package/pyproject.toml" "${needs[@]}" -c "$work/all.txt" -o "$package/requirements.lock"
done
"$uv" pip compile "${options[@]}" tests/requirements.in -c "$work/all.txt" -o tests/requirements.lock
"$uv" pip compile "${options[@]}" tests/bench/requirements.in -c "$work/all.txt" -o tests/bench/requirements.lock
