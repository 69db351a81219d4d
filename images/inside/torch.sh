#!/bin/sh
# Install the torch of a requirements file into an environment by pip, which reads every form of its wheels.
#   torch.sh ENVIRONMENT cpu|cuda REQUIREMENTS
# A wheel in /mnt/wheels comes first; else `cpu` is fetched from $TORCH_CPU_INDEX and `cuda` from PyPI.
set -eu
inside=$(dirname "$0")
export PIP_CACHE_DIR=/mnt/cache/pip PIP_CERT=/etc/ssl/certs/ca-certificates.crt PIP_ROOT_USER_ACTION=ignore
environment=$1 requirements=$3
case $2 in
  cpu) set -- --index-url "$TORCH_CPU_INDEX" ;;
  cuda) set -- ;;
  *)
    echo "TORCH must be cpu or cuda, not '$2'" >&2
    exit 64
    ;;
esac
for wheel in /mnt/wheels/torch-*.whl; do
  if test -e "$wheel"; then set -- --no-index --find-links /mnt/wheels; fi
done
PYTHONPATH=$inside/.. python3 -m pip --python "$environment/bin/python" install --quiet --no-compile \
  "$@" --requirement "$requirements"
python3 "$inside/finish.py" "$environment"
