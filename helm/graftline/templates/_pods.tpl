{{/* Pod Security `restricted`, as in every pod of Graftline. */}}
{{- define "graftline.podSecurityContext" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "graftline.containerSecurityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
capabilities: {drop: [ALL]}
{{- end }}

{{/* Where a pod of our own may run, and from where its image comes: the values of store, index or llm. */}}
{{- define "graftline.placement" -}}
{{- $root := index . 0 -}}
{{- $values := index . 1 -}}
{{- with $root.Values.images.pullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end }}

{{/*
The strategic-merge patch of a stage's (or the planner's) pod, as JSON: its pool's values, then its
own. WorkflowTemplates take it as a parameter, so that they are the same on every cluster.
*/}}
{{- define "graftline.podPatch" -}}
{{- $root := index . 0 -}}
{{- $stage := include "graftline.settingsOf" . | fromJson -}}
{{- $pool := get $root.Values.pools $stage.pool -}}
{{- $resources := mergeOverwrite (deepCopy $pool.resources) ($stage.resources | default dict) -}}
{{- if eq $stage.pool "gpu" -}}
{{- $limits := merge (dict $pool.resourceName (int ($stage.gpus | default $pool.count))) ($resources.limits | default dict) -}}
{{- $_ := set $resources "limits" $limits -}}
{{- end -}}
{{- $named := dict -}}
{{- if has (index . 1) $root.Values.llm.stages -}}
{{- with include "graftline.llmEndpoints" $root -}}
{{- $_ := set $named "GRAFTLINE_LLM_ENDPOINTS" (dict "name" "GRAFTLINE_LLM_ENDPOINTS" "value" .) -}}
{{- end -}}
{{- end -}}
{{- range concat $root.Values.runs.env ($stage.env | default list) -}}
{{- $_ := set $named .name . -}}
{{- end -}}
{{- $environment := list -}}
{{- range keys $named | sortAlpha -}}
{{- $environment = append $environment (get $named .) -}}
{{- end -}}
{{- $sources := list -}}
{{- with include "graftline.store.secret" $root -}}
{{- $sources = append $sources (dict "secretRef" (dict "name" .)) -}}
{{- end -}}
{{- $sources = concat $sources ($stage.envFrom | default list) -}}
{{- $main := dict "name" "main" "resources" $resources
    "imagePullPolicy" ($stage.pullPolicy | default $root.Values.images.pullPolicy) -}}
{{- with $environment }}{{ $_ := set $main "env" . }}{{ end -}}
{{- with $sources }}{{ $_ := set $main "envFrom" . }}{{ end -}}
{{- $pod := mergeOverwrite (deepCopy $pool.podSpec) ($stage.podSpec | default dict) -}}
{{- $_ := set $pod "containers" (list $main) -}}
{{- /* Services as environment variables would say GRAFTLINE_STORE_PORT=tcp://… to the stages. */ -}}
{{- $_ := set $pod "enableServiceLinks" false -}}
{{- with $root.Values.images.pullSecrets }}{{ $_ := set $pod "imagePullSecrets" . }}{{ end -}}
{{- with hasKey $stage "nodeSelector" | ternary $stage.nodeSelector $pool.nodeSelector }}{{ $_ := set $pod "nodeSelector" . }}{{ end -}}
{{- with hasKey $stage "tolerations" | ternary $stage.tolerations $pool.tolerations }}{{ $_ := set $pod "tolerations" . }}{{ end -}}
{{- with $stage.priorityClassName | default $pool.priorityClassName }}{{ $_ := set $pod "priorityClassName" . }}{{ end -}}
{{- $pod | toJson -}}
{{- end }}

{{/* The endpoints of steps that ask a language model and name none, as JSON; empty without any. */}}
{{- define "graftline.llmEndpoints" -}}
{{- $llm := .Values.llm -}}
{{- if $llm.embedded.enabled -}}
{{- list (dict "url" "http://graftline-llm:8080/v1" "models" (list "smollm2-135m-instruct") "max_concurrency" (int $llm.embedded.slots)) | toJson -}}
{{- else if $llm.endpoints -}}
{{- $llm.endpoints | toJson -}}
{{- end -}}
{{- end }}
