{{/* Where the store is: for the runs, for the index, for Argo's artifact repository. */}}
{{- define "graftline.store.uri" -}}
{{- if .Values.store.embedded.enabled -}}
s3://graftline
{{- else -}}
{{- trimSuffix "/" .Values.store.external.uri -}}
{{- end -}}
{{- end }}

{{- define "graftline.store.endpoint" -}}
{{- if .Values.store.embedded.enabled -}}
http://graftline-store:8333
{{- else -}}
{{- trimSuffix "/" .Values.store.external.endpoint -}}
{{- end -}}
{{- end }}

{{- define "graftline.store.region" -}}
{{- if .Values.store.embedded.enabled -}}
us-east-1
{{- else -}}
{{- .Values.store.external.region -}}
{{- end -}}
{{- end }}

{{/* The Secret with the credentials; empty with workload identity. */}}
{{- define "graftline.store.secret" -}}
{{- if .Values.store.embedded.enabled -}}
{{- .Values.store.embedded.existingSecret | default "graftline-store" -}}
{{- else -}}
{{- .Values.store.external.existingSecret -}}
{{- end -}}
{{- end }}

{{/* The port of an external store, as its endpoint says it. */}}
{{- define "graftline.store.port" -}}
{{- $url := urlParse (.Values.store.external.endpoint | default "https://aws") -}}
{{- regexFind ":[0-9]+$" $url.host | trimPrefix ":" | default (ternary "80" "443" (eq $url.scheme "http")) -}}
{{- end }}
