{{/* An address as a CIDR of one. */}}
{{- define "graftline.cidr" -}}
{{- printf "%s/%s" . (contains ":" . | ternary "128" "32") -}}
{{- end }}

{{/* Peers of an external store as JSON; empty if they are not known. */}}
{{- define "graftline.store.peers" -}}
{{- $host := (urlParse (.Values.store.external.endpoint | default "https://aws")).hostname | trimPrefix "[" | trimSuffix "]" -}}
{{- if .Values.networkPolicy.store.to -}}
{{- .Values.networkPolicy.store.to | toJson -}}
{{- else if or (regexMatch "^[0-9]+(\\.[0-9]+){3}$" $host) (contains ":" $host) -}}
{{- list (dict "ipBlock" (dict "cidr" (include "graftline.cidr" $host))) | toJson -}}
{{- end -}}
{{- end }}

{{/*
Peers for addresses outside, as JSON. "The whole internet" leaves out what is private: the
cluster's own pods and services, the neighbours of its nodes, metadata servers.
*/}}
{{- define "graftline.outside" -}}
{{- $peers := list -}}
{{- range . -}}
{{- $block := dict "cidr" . -}}
{{- if eq . "0.0.0.0/0" -}}
{{- $_ := set $block "except" (list "10.0.0.0/8" "100.64.0.0/10" "169.254.0.0/16" "172.16.0.0/12" "192.168.0.0/16" "198.18.0.0/15") -}}
{{- else if eq . "::/0" -}}
{{- $_ := set $block "except" (list "fc00::/7" "fe80::/10") -}}
{{- end -}}
{{- $peers = append $peers (dict "ipBlock" $block) -}}
{{- end -}}
{{- $peers | toJson -}}
{{- end }}

{{/*
Where the API server is, as JSON {cidrs, ports, service, guess}. Policies are applied to the
addresses behind the Service `kubernetes` on most networks, to the Service's on some: both are let
through. Without a cluster to ask it is a guess that opens neither the internet nor a usual port.
*/}}
{{- define "graftline.apiServer" -}}
{{- $values := .Values.networkPolicy.apiServer -}}
{{- $found := dict "cidrs" $values.cidrs "ports" ($values.ports | default (list 443 6443)) "service" "" "guess" false -}}
{{- if not $values.cidrs -}}
{{- $slice := lookup "discovery.k8s.io/v1" "EndpointSlice" "default" "kubernetes" -}}
{{- if $slice -}}
{{- $cidrs := list -}}
{{- range $slice.endpoints -}}
{{- range .addresses -}}
{{- $cidrs = append $cidrs (include "graftline.cidr" .) -}}
{{- end -}}
{{- end -}}
{{- $ports := list -}}
{{- range $slice.ports -}}
{{- $ports = append $ports (int .port) -}}
{{- end -}}
{{- $_ := set $found "cidrs" (sortAlpha $cidrs) -}}
{{- $_ := set $found "ports" ($values.ports | default $ports) -}}
{{- with (lookup "v1" "Service" "default" "kubernetes").spec -}}
{{- $_ := set $found "service" (include "graftline.cidr" .clusterIP) -}}
{{- end -}}
{{- else -}}
{{- $_ := set $found "cidrs" (list "10.0.0.0/8" "100.64.0.0/10" "172.16.0.0/12" "192.168.0.0/16" "fc00::/7") -}}
{{- $_ := set $found "ports" ($values.ports | default (list 6443)) -}}
{{- $_ := set $found "guess" true -}}
{{- end -}}
{{- end -}}
{{- $found | toJson -}}
{{- end }}

{{/* The beginning of a policy: (list $ "name") */}}
{{- define "graftline.policy" -}}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: graftline-{{ index . 1 }}
  labels: {{- include "graftline.labels" (index . 0) | nindent 4 }}
{{- end }}

{{/* A selector of our pods by role: (list "stage" "planner") */}}
{{- define "graftline.roles" -}}
matchLabels: {app.kubernetes.io/part-of: graftline}
matchExpressions:
  - {key: graftline.dev/role, operator: In, values: [{{ join ", " . }}]}
{{- end }}

{{/* What the pods of some stages may reach on the internet, by HTTPS: (list $ "name" values) */}}
{{- define "graftline.internetPolicies" -}}
{{- $root := index . 0 -}}
{{- $name := index . 1 -}}
{{- $values := index . 2 -}}
{{- $egress := list (dict "to" (include "graftline.outside" $values.cidrs | fromJsonArray) "ports" (list (dict "protocol" "TCP" "port" 443))) -}}
{{- with without $values.stages "planner" }}
---
{{ include "graftline.policy" (list $root $name) }}
spec:
  podSelector:
    matchLabels: {app.kubernetes.io/part-of: graftline, graftline.dev/role: stage}
    matchExpressions:
      - {key: graftline.dev/stage, operator: In, values: [{{ join ", " . }}]}
  policyTypes: [Egress]
  egress: {{- toYaml $egress | nindent 4 }}
{{- end }}
{{- if has "planner" $values.stages }}
---
{{ include "graftline.policy" (list $root (printf "%s-planner" $name)) }}
spec:
  podSelector: {{- include "graftline.roles" (list "planner") | nindent 4 }}
  policyTypes: [Egress]
  egress: {{- toYaml $egress | nindent 4 }}
{{- end }}
{{- end }}
