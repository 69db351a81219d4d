{{/* Labels of everything that is ours; `part-of` is what the network policies select by. */}}
{{- define "graftline.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
app.kubernetes.io/name: graftline
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: graftline
{{- end }}

{{/* The release's own image of a name: (list $ "train") */}}
{{- define "graftline.ownImage" -}}
{{- $images := (index . 0).Values.images -}}
{{- $name := index . 1 -}}
{{- $reference := printf "%s/graftline-%s" (trimSuffix "/" $images.registry) $name -}}
{{- with get $images.digests $name -}}
{{- printf "%s@%s" $reference . -}}
{{- else -}}
{{- printf "%s:%s" $reference ($images.tag | default (index $ 0).Chart.AppVersion) -}}
{{- end -}}
{{- end }}

{{/* The image of a stage, of `planner`, `index`, `llm` or `store`: a user's, or the release's own. */}}
{{- define "graftline.image" -}}
{{- $root := index . 0 -}}
{{- $name := index . 1 -}}
{{- include "graftline.settingsOf" . | fromJson | dig "image" "" | default (include "graftline.ownImage" .) -}}
{{- end }}

{{/* The values that belong to an image, as JSON. */}}
{{- define "graftline.settingsOf" -}}
{{- $values := (index . 0).Values -}}
{{- $name := index . 1 -}}
{{- if eq $name "planner" -}}
{{- $values.planner | toJson -}}
{{- else if eq $name "index" -}}
{{- $values.index | toJson -}}
{{- else if eq $name "llm" -}}
{{- $values.llm.embedded | toJson -}}
{{- else if eq $name "store" -}}
{{- $values.store.embedded | toJson -}}
{{- else -}}
{{- get $values.stages $name | toJson -}}
{{- end -}}
{{- end }}

{{/* The own images of this release that no value replaces, as JSON: {name: reference}. */}}
{{- define "graftline.ownImages" -}}
{{- $own := dict -}}
{{- range concat (keys .Values.stages | sortAlpha) (list "planner" "index" "llm" "store") -}}
{{- $reference := include "graftline.ownImage" (list $ .) -}}
{{- if eq (include "graftline.image" (list $ .)) $reference -}}
{{- $_ := set $own . $reference -}}
{{- end -}}
{{- end -}}
{{- $own | toJson -}}
{{- end }}
