{{- /* Settings of the service, named as in docs/service.md. */ -}}
{{- define "autochrome.serverEnv" -}}
{{- $server := .Values.server -}}
- { name: AUTOCHROME_HOST, value: "0.0.0.0" }
- { name: AUTOCHROME_PORT, value: "8188" }
- name: AUTOCHROME_API_KEY
  valueFrom:
    secretKeyRef: {{ include "autochrome.apiKeyRef" . }}
{{- with .Values.auth.jwt }}
{{- if .jwksUrl }}
- { name: AUTOCHROME_JWKS_URL, value: {{ .jwksUrl | quote }} }
- { name: AUTOCHROME_JWT_AUDIENCE, value: {{ .audience | quote }} }
- { name: AUTOCHROME_JWT_ISSUER, value: {{ .issuer | quote }} }
{{- end }}
{{- end }}
- { name: AUTOCHROME_LIBRARY, value: /data/library }
- { name: AUTOCHROME_DATA, value: /data/service }
- { name: AUTOCHROME_LOG_LEVEL, value: {{ $server.logLevel }} }
- { name: AUTOCHROME_MODEL, value: {{ $server.model | quote }} }
{{- if include "autochrome.hasModels" . }}
- { name: AUTOCHROME_MODELS, value: /models }
{{- end }}
{{- with $server.allowedHosts }}
- { name: AUTOCHROME_ALLOWED_HOSTS, value: {{ append . (include "autochrome.fullname" $) | join "," | quote }} }
{{- end }}
{{- with $server.cors }}
- { name: AUTOCHROME_CORS, value: {{ join "," . | quote }} }
{{- end }}
- { name: AUTOCHROME_RATE_LIMIT, value: {{ $server.rateLimit | toString | quote }} }
- { name: AUTOCHROME_UPLOAD_MAX_MB, value: {{ $server.uploadMaxMb | toString | quote }} }
- { name: AUTOCHROME_BLOB_MAX_GB, value: {{ $server.blobMaxGb | toString | quote }} }
{{- range $key, $value := $server.retention }}
- { name: AUTOCHROME_{{ snakecase $key | upper }}, value: {{ $value | toString | quote }} }
{{- end }}
# The whole container is ours.
- { name: AUTOCHROME_EFFORT, value: all }
{{- with $server.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- /* Where batches' photos are, as the setting clusterStore says it. */ -}}
{{- define "autochrome.bucketUrl" -}}
{{- with .Values.staging.s3 -}}
{{- printf "s3://%s/%s?endpoint=%s&region=%s" .bucket .prefix (urlquery .endpoint) (urlquery .region) -}}
{{- with .insideEndpoint }}{{ printf "&inside=%s" (urlquery .) }}{{ end }}
{{- end }}
{{- end }}

{{- /* The same for the cleaning, with what it needs to get in. */ -}}
{{- define "autochrome.stagingEnv" -}}
{{- if eq .Values.staging.kind "s3" -}}
- { name: AUTOCHROME_CLUSTER_STORE, value: {{ include "autochrome.bucketUrl" . | quote }} }
- name: AWS_ACCESS_KEY_ID
  valueFrom:
    secretKeyRef: { name: {{ .Values.staging.s3.existingSecret }}, key: accessKeyId }
- name: AWS_SECRET_ACCESS_KEY
  valueFrom:
    secretKeyRef: { name: {{ .Values.staging.s3.existingSecret }}, key: secretAccessKey }
{{- else -}}
- { name: AUTOCHROME_CLUSTER_STORE, value: {{ include "autochrome.gatewayUrl" . | quote }} }
- name: AUTOCHROME_CLUSTER_STORE_KEY
  valueFrom:
    secretKeyRef: {{ include "autochrome.apiKeyRef" . }}
{{- end }}
{{- end }}
