#!/usr/bin/env bash
# A kind cluster with a simulated GPU pool and Argo Workflows: kind.sh up | load ARCHIVE | down.
# Wants Docker, kind (0.24 or newer: its network enforces NetworkPolicy) and kubectl.
set -euo pipefail

NAME=graftline
ARGO_VERSION=${ARGO_VERSION:-v4.0.2}
ARGO_INSTALL=https://github.com/argoproj/argo-workflows/releases/download/$ARGO_VERSION/install.yaml
here=$(cd "$(dirname "$0")" && pwd)

up() {
  if ! kind get clusters 2>/dev/null | grep -qx "$NAME"; then
    kind create cluster --config "$here/kind.yaml" --wait 120s
  fi
  # The kubelet carries a resource that is patched onto its node over to what can be given away.
  kubectl --context "kind-$NAME" patch node "$NAME-worker" --subresource=status --type=json \
    --patch '[{"op": "add", "path": "/status/capacity/nvidia.com~1gpu", "value": "1"}]'
  kubectl --context "kind-$NAME" create namespace argo --dry-run=client -o yaml |
    kubectl --context "kind-$NAME" apply -f -
  kubectl --context "kind-$NAME" apply --server-side --namespace argo --filename "$ARGO_INSTALL"
  kubectl --context "kind-$NAME" rollout status --namespace argo deployment/workflow-controller --timeout 180s
}

case "${1:-}" in
  up) up ;;
  load) kind load image-archive --name "$NAME" "$2" ;;
  down) kind delete cluster --name "$NAME" ;;
  *) echo "usage: kind.sh up | load ARCHIVE | down" >&2; exit 64 ;;
esac
