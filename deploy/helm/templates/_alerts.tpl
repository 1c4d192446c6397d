{{- /* The alerts. Figures of the volume (jobs) are the same in each pod, so their maximum counts, not their sum.
A state without jobs has no series: an hour ago it counts as 0 where the server was scraped then. */}}
{{- define "dltk.alerts" -}}
{{- $s := include "dltk.series" . }}
{{- $v := .Values.prometheusRule }}
- alert: DltkAbsent
  expr: absent(dltk_workers{ {{- $s -}} })
  for: 5m
  labels: {severity: critical}
  annotations:
    summary: No pod of dltk is scraped.
    description: >-
      No pod answers /metrics. Searches with fit and apply fail if the pods are down: see their events and logs.
      If they are ready, the token or the PodMonitor is wrong.
- alert: DltkRequestsFail
  expr: >-
    sum by (job, route) (rate(dltk_requests_total{ {{- $s -}} ,outcome="error"}[10m]))
    / sum by (job, route) (rate(dltk_requests_total{ {{- $s -}} }[10m])) > {{ $v.maxErrorRatio }}
  for: 10m
  labels: {severity: warning}
  annotations:
    summary: '{{ `{{ $value | humanizePercentage }} of the requests to {{ $labels.route }} fail.` }}'
    description: >-
      The log has a line for each, with its algorithm and error. Refused tokens and notebooks that raise count here.
- alert: DltkRequestsWait
  expr: >-
    histogram_quantile(0.95, sum by (job, route, le)
    (rate(dltk_phase_seconds_bucket{ {{- $s -}} ,phase="queue"}[10m]))) > {{ $v.maxQueueSeconds }}
  for: 10m
  labels: {severity: warning}
  annotations:
    summary: '{{ `Requests to {{ $labels.route }} wait {{ $value | humanizeDuration }} for a worker.` }}'
    description: >-
      All workers are busy, or models take each other's place in memory. More replicas, more memory,
      or api_workers for a model that many searches use.
- alert: DltkApplySlow
  expr: >-
    histogram_quantile(0.95, sum by (job, le)
    (rate(dltk_request_seconds_bucket{ {{- $s -}} ,route="/apply"}[10m]))) > {{ $v.maxApplySeconds }}
  for: 15m
  labels: {severity: warning}
  annotations:
    summary: '{{ `Applies take {{ $value | humanizeDuration }}.` }}'
    description: >-
      The panel of phases shows whether they wait, load their model or compute.
- alert: DltkFitsQueued
  expr: max by (job) (dltk_volume_jobs{ {{- $s -}} ,state="queued"}) > {{ $v.maxQueuedFits }}
  for: 15m
  labels: {severity: warning}
  annotations:
    summary: '{{ `{{ $value }} fits wait.` }}'
    description: >-
      Beyond DLTK_MAX_QUEUED further asynchronous fits are refused. More replicas, or DLTK_FIT_WORKERS.
- alert: DltkFitsFail
  expr: >-
    max by (job) (dltk_volume_jobs{ {{- $s -}} ,state="failed"})
    - (max by (job) (dltk_volume_jobs{ {{- $s -}} ,state="failed"} offset 1h)
    or 0 * max by (job) (dltk_workers{ {{- $s -}} } offset 1h)) >= 3
  labels: {severity: warning}
  annotations:
    summary: '{{ `Fits that failed within an hour: {{ $value }}.` }}'
    description: >-
      Their models keep the version they had. dltk jobs list, and dltk jobs show with --log, have the errors.
- alert: DltkJobsLost
  expr: >-
    max by (job) (dltk_volume_jobs{ {{- $s -}} ,state="lost"})
    - (max by (job) (dltk_volume_jobs{ {{- $s -}} ,state="lost"} offset 1h)
    or 0 * max by (job) (dltk_workers{ {{- $s -}} } offset 1h)) > 0
  labels: {severity: warning}
  annotations:
    summary: '{{ `Fits that were lost within an hour: {{ $value }}.` }}'
    description: >-
      Their pod ended without a word: killed for memory, or its node failed. Start these fits again.
- alert: DltkDrift
  expr: max by (job, algorithm, model, feature) (dltk_drift{ {{- $s -}} }) >= {{ $v.maxDrift }}
  for: 1h
  labels: {severity: info}
  annotations:
    summary: '{{ `{{ $labels.feature }} of {{ $labels.algorithm }}/{{ $labels.model }} has drifted.` }}'
    description: >-
      Its values are distributed otherwise than at the fit. Look at the data, then fit again.
- alert: DltkEventsNotTaken
  expr: sum by (job, outcome) (increase(dltk_events_total{ {{- $s -}} ,outcome=~"dropped|refused"}[15m])) > 0
  labels: {severity: warning}
  annotations:
    summary: '{{ `Events for Splunk were {{ $labels.outcome }}.` }}'
    description: >-
      Refused: Splunk's event collector takes neither token nor index. Dropped: it did not answer until
      DLTK_EVENTS_SPOOL was full. dltk doctor --send-event shows which.
- alert: DltkGpuMemoryLow
  expr: >-
    min by (job, pod, gpu) (dltk_gpu_memory_bytes{ {{- $s -}} ,kind="free"}
    / ignoring (kind) dltk_gpu_memory_bytes{ {{- $s -}} ,kind="total"}) < 0.05
  for: 30m
  labels: {severity: info}
  annotations:
    summary: '{{ `GPU {{ $labels.gpu }} has {{ $value | humanizePercentage }} of its memory free.` }}'
    description: >-
      The next fit on it may lack memory and fail.
- alert: DltkVolumeFull
  expr: >-
    min by (job) (dltk_volume_free_bytes{ {{- $s -}} } / dltk_volume_size_bytes{ {{- $s -}} }) < 0.05
  for: 15m
  labels: {severity: warning}
  annotations:
    summary: '{{ `{{ $value | humanizePercentage }} of the volume is free.` }}'
    description: >-
      On a full volume no fit is stored. Enlarge it, or keep fewer versions and jobs (DLTK_KEEP_VERSIONS, DLTK_KEEP_JOBS).
- alert: DltkModelDamaged
  expr: sum by (job, algorithm) (increase(dltk_damaged_total{ {{- $s -}} }[15m])) > 0
  labels: {severity: warning}
  annotations:
    summary: '{{ `Files of a model of {{ $labels.algorithm }} are damaged.` }}'
    description: >-
      The version promoted last that is whole answers, or the call is refused. dltk doctor names the files.
{{- end }}
