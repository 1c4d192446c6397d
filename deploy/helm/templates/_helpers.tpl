{{- define "dltk.chart" -}}
{{ .Values.nameOverride | default .Chart.Name | trunc 50 | trimSuffix "-" }}
{{- end }}

{{- define "dltk.name" -}}
{{- $name := include "dltk.chart" . -}}
{{- if .Values.fullnameOverride }}{{ .Values.fullnameOverride | trunc 50 | trimSuffix "-" }}
{{- else if contains $name .Release.Name }}{{ .Release.Name | trunc 50 | trimSuffix "-" }}
{{- else }}{{ printf "%s-%s" .Release.Name $name | trunc 50 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "dltk.selector" -}}
app.kubernetes.io/name: {{ include "dltk.chart" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "dltk.labels" -}}
{{ include "dltk.common" . }}
{{ include "dltk.selector" . }}
{{- end }}

{{- /* The labels without those that the Service selects. */}}
{{- define "dltk.common" -}}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- /* metadata of an object: (list $ suffix labels annotations) */}}
{{- define "dltk.metadata" -}}
{{- $ := index . 0 -}}
name: {{ include "dltk.name" $ }}{{ index . 1 }}
labels:
  {{- include "dltk.labels" $ | nindent 2 }}
  {{- with index . 2 }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with merge (dict) (index . 3) $.Values.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "dltk.secret" -}}
{{ .Values.secret.name | default (include "dltk.name" .) }}
{{- end }}

{{- define "dltk.claim" -}}
{{ .Values.storage.claim | default (include "dltk.name" .) }}
{{- end }}

{{- define "dltk.serviceAccount" -}}
{{ .Values.serviceAccount.name | default (ternary (include "dltk.name" .) "default" .Values.serviceAccount.create) }}
{{- end }}

{{- define "dltk.image" -}}
{{- if .Values.image.digest }}{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else }}{{ .Values.image.repository }}:{{ .Values.image.tag }}
{{- end }}
{{- end }}

{{- define "dltk.several" -}}
{{ if or .Values.autoscaling.enabled (gt (int .Values.replicas) 1) }}yes{{ end }}
{{- end }}

{{- define "dltk.openshift" -}}
{{ if or .Values.openshift (.Capabilities.APIVersions.Has "security.openshift.io/v1") }}yes{{ end }}
{{- end }}

{{- /* The security context of a pod, without what OpenShift chooses itself. */}}
{{- define "dltk.podSecurityContext" -}}
{{- $context := .Values.podSecurityContext }}
{{- if include "dltk.openshift" . }}
{{- $context = omit $context "runAsUser" "runAsGroup" "fsGroup" "fsGroupChangePolicy" "supplementalGroups" }}
{{- end }}
{{- toYaml $context }}
{{- end }}

{{- /* Whether the container serves TLS; ENABLE_HTTPS in env counts as well. */}}
{{- define "dltk.https" -}}
{{- $text := toString (dig "ENABLE_HTTPS" .Values.https .Values.env) | lower }}
{{- if has $text (list "true" "t" "yes" "y" "1") }}yes{{ end }}
{{- end }}

{{- define "dltk.scheme" -}}
{{ if include "dltk.https" . }}HTTPS{{ else }}HTTP{{ end }}
{{- end }}

{{- /* The further secret settings, which are files. */}}
{{- define "dltk.secretVariables" -}}
{{ concat .Values.secret.variables (keys .Values.secret.values) | uniq | sortAlpha | toJson }}
{{- end }}

{{- define "dltk.token" -}}
- name: api_token_file
  value: /secrets/api_token
{{- end }}

{{- /* A probe: (list $ path defaults given) */}}
{{- define "dltk.probe" -}}
{{- $ := index . 0 }}
{{- $own := pick (index . 3) "exec" "tcpSocket" "grpc" }}
{{- $probe := ternary dict (dict "httpGet" (dict "path" (index . 1) "port" "api" "scheme" (include "dltk.scheme" $))) (gt (len $own) 0) }}
{{- toYaml (merge (dict) (index . 3) (index . 2) $probe) }}
{{- end }}

{{- /* Matchers of this release's time series. */}}
{{- define "dltk.series" -}}
{{ .Values.prometheusRule.selector | default (printf "job=\"%s/%s\"" .Release.Namespace (include "dltk.name" .)) }}
{{- end }}

{{- /* The text of a value of env. Numbers of a values file are floats, which would become 1e+06. */}}
{{- define "dltk.text" -}}
{{- if and (kindIs "float64" .) (eq (toString (floor .)) (toString .)) }}{{ int64 . }}{{ else }}{{ toString . }}{{ end }}
{{- end }}
