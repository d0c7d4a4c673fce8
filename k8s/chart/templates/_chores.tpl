{{- /* What the pods of CronJobs and of the test have in common. */ -}}
{{- define "autochrome.choresPod" -}}
serviceAccountName: {{ include "autochrome.fullname" . }}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  {{- include "autochrome.podSecurity" . | nindent 2 }}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end }}

{{- define "autochrome.choresContainer" -}}
resources:
  requests: { cpu: 100m, memory: 256Mi }
  limits: { cpu: "1", memory: 1Gi }
securityContext:
  {{- include "autochrome.containerSecurity" . | nindent 2 }}
{{- end }}
