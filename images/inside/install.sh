#!/bin/sh
# Install locks by their hashes into an environment, which is made if need be, and finish it.
#   install.sh ENVIRONMENT LOCK...
set -eu
inside=$(dirname "$0")
uv=$inside/../bin/uv
export UV_CACHE_DIR=/mnt/cache/uv UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never
export SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
environment=$1
shift
test -x "$environment/bin/python" || "$uv" venv --quiet --allow-existing "$environment"
for lock; do
  "$uv" pip install --quiet --python "$environment/bin/python" --no-deps --require-hashes --requirement "$lock"
done
python3 "$inside/finish.py" "$environment"
