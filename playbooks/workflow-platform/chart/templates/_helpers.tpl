{{/* The release's name for its objects; short enough for a suffix such as "-migrations". */}}
{{- define "workflow.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* What never changes in a release's life: a Deployment's selector cannot. */}}
{{- define "workflow.selector" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "workflow.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{ include "workflow.selector" . }}
app.kubernetes.io/version: {{ include "workflow.tag" . | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: workflow
{{- end -}}

{{- define "workflow.tag" -}}
{{- default .Chart.AppVersion .Values.image.tag -}}
{{- end -}}

{{- define "workflow.serviceAccount" -}}
{{- $generated := ternary (include "workflow.fullname" .) "default" .Values.serviceAccount.create -}}
{{- default $generated .Values.serviceAccount.name -}}
{{- end -}}

{{- define "workflow.secret" -}}
{{- default (include "workflow.fullname" .) .Values.secret.existing -}}
{{- end -}}

{{/* What every pod of the release has in common, servers and migrations. */}}
{{- define "workflow.podSecurity" -}}
runAsNonRoot: true
runAsUser: 1001
runAsGroup: 1001
fsGroup: 1001
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "workflow.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{- define "workflow.envFrom" -}}
- configMapRef:
    name: {{ include "workflow.fullname" . }}
- secretRef:
    name: {{ include "workflow.secret" . }}
{{- end -}}

{{/* Pods that were started with other settings are replaced. */}}
{{- define "workflow.settingsChecksum" -}}
{{- dict "config" .Values.config "secret" .Values.secret | toJson | sha256sum -}}
{{- end -}}

{{/* A probe, of a value such as {path: /health, periodSeconds: 5}: what is not the path is taken as it is. */}}
{{- define "workflow.probe" -}}
httpGet:
  path: {{ .path }}
  port: http
{{ omit . "path" | toYaml }}
{{- end -}}
