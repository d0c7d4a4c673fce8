{{- define "autochrome.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- /* 40 letters leave room for "-retention" and what a CronJob adds. */ -}}
{{- define "autochrome.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" }}
{{- else if contains (include "autochrome.name" .) .Release.Name }}
{{- .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "autochrome.name" .) | trunc 40 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- /* Takes [root, component]. */ -}}
{{- define "autochrome.selectorLabels" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: {{ include "autochrome.name" $root }}
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{- /* What the desktop calls the pods of its Jobs; see app/cluster/kubernetes/job-spec.ts. */ -}}
{{- define "autochrome.workerLabels" -}}
app.kubernetes.io/name: autochrome
app.kubernetes.io/component: worker
{{- end }}

{{- /* Takes [root, component]. */ -}}
{{- define "autochrome.labels" -}}
{{- $root := index . 0 -}}
{{ include "autochrome.selectorLabels" . }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/part-of: autochrome
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" }}
{{- with $root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- /* The metadata of an object. Takes [root, component, name, wave] and, if wanted, annotations and more labels. */ -}}
{{- define "autochrome.metadata" -}}
{{- $root := index . 0 -}}
{{- $annotations := dict -}}
{{- if gt (len .) 4 }}{{ $annotations = merge (dict) (index . 4) }}{{ end -}}
{{- if $root.Values.argocd.syncWaves }}{{ $_ := set $annotations "argocd.argoproj.io/sync-wave" (index . 3 | toString) }}{{ end -}}
name: {{ index . 2 }}
namespace: {{ $root.Release.Namespace }}
labels:
  {{- include "autochrome.labels" (list $root (index . 1)) | nindent 2 }}
  {{- if gt (len .) 5 }}
  {{- with index . 5 }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
  {{- end }}
{{- with $annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- /* Takes [root, with CUDA]. */ -}}
{{- define "autochrome.image" -}}
{{- $image := (index . 0).Values.image -}}
{{- $tag := default (index . 0).Chart.AppVersion $image.tag -}}
{{- $digest := ternary $image.cudaDigest $image.digest (index . 1) -}}
{{- if $digest -}}
{{ printf "%s@%s" $image.repository $digest }}
{{- else -}}
{{ printf "%s:%s%s" $image.repository $tag (ternary "-cuda" "" (index . 1)) }}
{{- end }}
{{- end }}

{{- define "autochrome.gpuResource" -}}
{{- if .Values.gpu.migProfile }}nvidia.com/mig-{{ .Values.gpu.migProfile }}{{ else }}{{ .Values.gpu.resourceName }}{{ end }}
{{- end }}

{{- /* Requests and limits, with the GPU if it is used. Takes [root, resources, with GPU]. */ -}}
{{- define "autochrome.resources" -}}
{{- $root := index . 0 -}}
{{- $resources := deepCopy (index . 1) -}}
{{- if index . 2 -}}
{{- $gpu := dict (include "autochrome.gpuResource" $root) "1" -}}
{{- $_ := set $resources "limits" (merge (dict) $resources.limits $gpu) -}}
{{- $_ := set $resources "requests" (merge (dict) $resources.requests $gpu) -}}
{{- end -}}
{{- toYaml $resources }}
{{- end }}

{{- /* More than one pod of the service. Empty for no. */ -}}
{{- define "autochrome.isMany" -}}
{{- if or .Values.autoscaling.enabled (gt (int .Values.server.replicas) 1) }}yes{{ end }}
{{- end }}

{{- define "autochrome.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
seccompProfile: { type: RuntimeDefault }
{{- end }}

{{- define "autochrome.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: { drop: [ALL] }
{{- end }}

{{- /* Where things may be written; the image and the desktop's Jobs have the same folders. Takes a size. */ -}}
{{- define "autochrome.scratchVolumes" -}}
- { name: tmp, emptyDir: { sizeLimit: {{ . }} } }
- { name: cache, emptyDir: { sizeLimit: {{ . }} } }
- { name: home, emptyDir: { sizeLimit: {{ . }} } }
{{- end }}

{{- define "autochrome.scratchMounts" -}}
- { name: tmp, mountPath: /tmp }
- { name: cache, mountPath: /var/cache/autochrome }
- { name: home, mountPath: /home/autochrome }
{{- end }}

{{- /* Models that are not in the image. Empty for none. */ -}}
{{- define "autochrome.hasModels" -}}
{{- if ne .Values.models.source "image" }}yes{{ end }}
{{- end }}

{{- define "autochrome.modelVolume" -}}
- name: models
{{- if eq .Values.models.source "claim" }}
  persistentVolumeClaim:
    claimName: {{ required "models.source is claim: say which in models.existingClaim" .Values.models.existingClaim }}
    readOnly: true
{{- else }}
  image:
    reference: {{ required "models.source is oci: say which image in models.ociReference" .Values.models.ociReference }}
    pullPolicy: IfNotPresent
{{- end }}
{{- end }}

{{- define "autochrome.apiKeyRef" -}}
{ name: {{ .Values.auth.existingSecret }}, key: {{ .Values.auth.key }} }
{{- end }}

{{- /* For pods of this namespace. */ -}}
{{- define "autochrome.gatewayUrl" -}}
http://{{ include "autochrome.fullname" . }}:{{ .Values.service.port }}
{{- end }}

{{- define "autochrome.libraryClaim" -}}
{{- default (printf "%s-library" (include "autochrome.fullname" .)) .Values.persistence.library.existingClaim }}
{{- end }}

{{- define "autochrome.blobsClaim" -}}
{{- default (printf "%s-blobs" (include "autochrome.fullname" .)) .Values.persistence.blobs.existingClaim }}
{{- end }}

{{- /* Settings that make no sense together. */ -}}
{{- define "autochrome.check" -}}
{{- $v := .Values -}}
{{- if and (include "autochrome.isMany" .) $v.persistence.blobs.enabled (not $v.persistence.blobs.existingClaim) (not (has "ReadWriteMany" $v.persistence.blobs.accessModes)) }}
{{- fail "Several pods share persistence.blobs: set its accessModes to [ReadWriteMany], or name an existingClaim that is." }}
{{- end }}
{{- if and (include "autochrome.isMany" .) (eq $v.staging.kind "gateway") (not $v.auth.grantsKey) }}
{{- fail "Several pods must take each other's permissions for batches: put 32 random bytes as base64url into the Secret and name the key in auth.grantsKey." }}
{{- end }}
{{- $jwt := compact (list $v.auth.jwt.jwksUrl $v.auth.jwt.audience $v.auth.jwt.issuer) }}
{{- if and $jwt (ne (len $jwt) 3) }}
{{- fail "An identity provider needs auth.jwt.jwksUrl, audience and issuer." }}
{{- end }}
{{- if and $v.autoscaling.enabled (gt (int $v.autoscaling.minReplicas) (int $v.autoscaling.maxReplicas)) }}
{{- fail "autoscaling.minReplicas is above maxReplicas." }}
{{- end }}
{{- if and (eq $v.staging.kind "s3") (not (and $v.staging.s3.endpoint $v.staging.s3.bucket)) }}
{{- fail "staging.kind is s3: set staging.s3.endpoint and bucket." }}
{{- end }}
{{- if and (eq $v.staging.kind "s3") $v.retention.enabled (not $v.staging.s3.existingSecret) }}
{{- fail "The cleaning needs staging.s3.existingSecret; or set retention.enabled to false and give the bucket a lifecycle rule." }}
{{- end }}
{{- if and (eq $v.staging.kind "gateway") (not $v.persistence.blobs.enabled) }}
{{- fail "staging.kind is gateway: it needs persistence.blobs." }}
{{- end }}
{{- if and $v.backup.enabled (not (and $v.backup.s3.endpoint $v.backup.s3.bucket $v.backup.s3.existingSecret)) }}
{{- fail "A backup needs backup.s3.endpoint, bucket and existingSecret." }}
{{- end }}
{{- if and $v.kueue.create (not $v.kueue.queueName) }}
{{- fail "kueue.create is set: name the queue in kueue.queueName." }}
{{- end }}
{{- if and $v.ingress.enabled (not $v.ingress.hosts) }}
{{- fail "An Ingress needs ingress.hosts." }}
{{- end }}
{{- if and $v.httpRoute.enabled (not $v.httpRoute.parentRefs) }}
{{- fail "An HTTPRoute needs httpRoute.parentRefs: the Gateway that it belongs to." }}
{{- end }}
{{- end }}
