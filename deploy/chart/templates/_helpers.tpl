{{- define "terway-edge.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{- define "terway-edge.pullSecrets" -}}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end }}

{{- /* The port of agents' health, on which they are probed. */ -}}
{{- define "terway-edge.port" -}}
{{- if not (dig "metrics" "enabled" true .Values.config) }}
{{- fail "config.metrics.enabled is false, but the probes ask there: leave it out" }}
{{- end }}
{{- if not (has (dig "metrics" "address" "127.0.0.1" .Values.config) (list "127.0.0.1" "0.0.0.0")) }}
{{- fail "config.metrics.address must be 127.0.0.1 or 0.0.0.0: the probes ask on loopback" }}
{{- end }}
{{- dig "metrics" "port" 9797 .Values.config | int }}
{{- end }}

{{- /* Which nodes an agent is for; called with its name. */ -}}
{{- define "terway-edge.terms" -}}
{{- if eq . "edge" }}
{{- range list "alibabacloud.com" "openyurt.io" }}
- matchExpressions:
    - {key: {{ . }}/is-edge-worker, operator: In, values: ["true"]}
    - {key: alibabacloud.com/ens-instance-id, operator: DoesNotExist}
    {{- include "terway-edge.everywhere" . | nindent 4 }}
{{- end }}
{{- else if eq . "cloud" }}
- matchExpressions:
    - {key: alibabacloud.com/is-edge-worker, operator: NotIn, values: ["true"]}
    - {key: openyurt.io/is-edge-worker, operator: NotIn, values: ["true"]}
    - {key: alibabacloud.com/ens-instance-id, operator: DoesNotExist}
    {{- include "terway-edge.everywhere" . | nindent 4 }}
{{- else }}
- matchExpressions:
    - {key: alibabacloud.com/ens-instance-id, operator: Exists}
    {{- include "terway-edge.everywhere" . | nindent 4 }}
{{- end }}
{{- end }}

{{- define "terway-edge.everywhere" -}}
- {key: kubernetes.io/os, operator: In, values: [linux]}
- {key: type, operator: NotIn, values: [virtual-kubelet]}
- {key: k8s.aliyun.com/ignore-by-terway, operator: NotIn, values: ["true"]}
- {key: nodepool.openyurt.io/hostnetwork, operator: NotIn, values: ["true"]}
{{- end }}
