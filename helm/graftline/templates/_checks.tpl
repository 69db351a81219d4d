{{/* What the schema cannot say clearly. */}}
{{- define "graftline.check" -}}
{{- $store := .Values.store -}}
{{- if and $store.embedded.enabled $store.external.uri -}}
{{- fail "two stores: store.external.uri is set, so set store.embedded.enabled=false" -}}
{{- end -}}
{{- if not (or $store.embedded.enabled $store.external.uri) -}}
{{- fail "no store: set store.embedded.enabled=true, or store.external.uri=s3://bucket/prefix" -}}
{{- end -}}
{{- if and .Values.networkPolicy.enabled (not $store.embedded.enabled) (not (include "graftline.store.peers" .)) -}}
{{- fail (printf "networkPolicy.store.to must say where %s is, as a NetworkPolicy cannot name a host: [{ipBlock: {cidr: 0.0.0.0/0}}] for a cloud's S3, a namespaceSelector for one in the cluster, or networkPolicy.enabled=false" ($store.external.endpoint | default "AWS S3")) -}}
{{- end -}}
{{- if and .Values.llm.endpoints .Values.llm.embedded.enabled -}}
{{- fail "two language models: llm.endpoints is set, so set llm.embedded.enabled=false" -}}
{{- end -}}
{{- range $name, $stage := merge (dict "planner" .Values.planner) .Values.stages -}}
{{- if and $stage.gpus (ne $stage.pool "gpu") -}}
{{- fail (printf "%s.gpus is set, but %s.pool is cpu: set it to gpu" $name $name) -}}
{{- end -}}
{{- end -}}
{{- range .Values.submitters -}}
{{- if and (eq .kind "ServiceAccount") (not .namespace) -}}
{{- fail (printf "submitters: the ServiceAccount '%s' needs its namespace" .name) -}}
{{- end -}}
{{- end -}}
{{- end }}
