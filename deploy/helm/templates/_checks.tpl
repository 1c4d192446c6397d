{{- /* What cannot work is refused here, with what to do instead. */}}
{{- define "dltk.checks" -}}
{{- if and (include "dltk.several" .) (not .Values.storage.claim) (ne .Values.storage.accessMode "ReadWriteMany") }}
{{- fail "Several replicas share one volume: set storage.accessMode to ReadWriteMany, or name a claim that all of them can write in storage.claim." }}
{{- end }}
{{- if and (include "dltk.several" .) (eq .Values.mode "DEV") }}
{{- fail "JupyterLab keeps its sessions in one process: set replicas to 1 for mode DEV." }}
{{- end }}
{{- $given := dict }}
{{- range .Values.extraEnv }}
{{- if hasKey . "value" }}
{{- $_ := set $given .name true }}
{{- end }}
{{- end }}
{{- range $name := list "api_token" "JUPYTER_PASSWD" "DLTK_ADMIN_TOKEN" "splunk_access_token" "splunk_hec_token" "DLTK_SHADOW_TOKEN" "MLFLOW_TRACKING_PASSWORD" "MLFLOW_TRACKING_TOKEN" }}
{{- if or (hasKey $.Values.env $name) (hasKey $given $name) }}
{{- fail (printf "%s in env or extraEnv would be readable in the Deployment: put it under the key %s into the secret, and name it in secret.variables." $name (get (dict "api_token" "api_token" "JUPYTER_PASSWD" "jupyter_password") $name | default $name)) }}
{{- end }}
{{- end }}
{{- if .Values.cluster.enabled }}
{{- if not .Values.cluster.secret }}
{{- fail "Whoever reaches Ray without a token can run any program: set cluster.secret to a secret with the key ray_token." }}
{{- end }}
{{- if not .Values.cluster.closed }}
{{- fail "Ray encrypts nothing between these pods: set cluster.closed to true if nobody else can reach or read their network." }}
{{- end }}
{{- end }}
{{- range $name, $value := dict "DLTK_CLUSTER" "cluster.enabled" "DLTK_CLUSTER_CLOSED" "cluster.closed" "RAY_AUTH_MODE" "cluster.secret" "RAY_AUTH_TOKEN_PATH" "cluster.secret" "DLTK_GRACE" "graceSeconds" "DLTK_DRAIN" "graceSeconds" "MODE_DEV_PROD" "mode" "DLTK_PORT" "service.port" "JUPYTER_PORT" "service.jupyterPort" "api_token_file" "secret.name" "JUPYTER_PASSWD_file" "secret.name" "API_SSL_CERT" "certificate.secret" "API_SSL_KEY" "certificate.secret" }}
{{- if hasKey $.Values.env $name }}
{{- fail (printf "%s is set by the chart: set %s instead." $name $value) }}
{{- end }}
{{- end }}
{{- if and .Values.certificate.secret (not (include "dltk.https" .)) }}
{{- fail "certificate.secret is not used without TLS: set https to true, or leave the certificate out." }}
{{- end }}
{{- if and .Values.ingress.enabled (not .Values.ingress.hosts) }}
{{- fail "An Ingress needs host names: set ingress.hosts, for example [{host: dltk.example.com, port: api}]." }}
{{- end }}
{{- if and .Values.secret.name .Values.secret.values }}
{{- fail "secret.values are for the chart's own secret: put them into the secret of secret.name, and name its keys in secret.variables." }}
{{- end }}
{{- if and .Values.autoscaling.enabled (not .Values.autoscaling.cpuPercent) (not .Values.autoscaling.metrics) }}
{{- fail "The autoscaler has nothing to scale by: set autoscaling.cpuPercent or autoscaling.metrics." }}
{{- end }}
{{- end }}
