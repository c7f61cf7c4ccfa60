{{/*
The chart's name, as in app.kubernetes.io/name.
*/}}
{{- define "fairlead-agent.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/*
The name of the release's objects. It leaves room for a suffix within the 63
characters of a DNS label.
*/}}
{{- define "fairlead-agent.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/*
The name of cluster-scoped objects: another release in another namespace has
others. Roles may have colons in their names, namespaces and releases may not.
*/}}
{{- define "fairlead-agent.clusterName" -}}
{{- printf "%s:%s" .Release.Namespace (include "fairlead-agent.fullname" .) -}}
{{- end -}}

{{/*
The labels that select the release's agents. They never change: a Deployment's
selector cannot.
*/}}
{{- define "fairlead-agent.selectorLabels" -}}
app.kubernetes.io/name: {{ include "fairlead-agent.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: agent
{{- end -}}

{{/*
Labels of every object of the agents. Those that select cannot be replaced by
values.
*/}}
{{- define "fairlead-agent.labels" -}}
{{- $own := include "fairlead-agent.selectorLabels" . | fromYaml -}}
{{- toYaml (merge $own (include "fairlead-agent.moreLabels" . | fromYaml)) -}}
{{- end -}}

{{- define "fairlead-agent.moreLabels" -}}
{{- $own := dict
  "app.kubernetes.io/version" .Chart.AppVersion
  "app.kubernetes.io/part-of" "fairlead"
  "app.kubernetes.io/managed-by" .Release.Service
  "helm.sh/chart" (printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-") -}}
{{- toYaml (merge $own (deepCopy .Values.commonLabels)) -}}
{{- end -}}

{{/*
Labels of the pods: no version of the chart, which would replace all pods where
nothing of theirs has changed.
*/}}
{{- define "fairlead-agent.podLabels" -}}
{{- $own := include "fairlead-agent.selectorLabels" . | fromYaml -}}
{{- $own = set $own "app.kubernetes.io/part-of" "fairlead" -}}
{{- toYaml (merge $own (deepCopy .Values.podLabels) (deepCopy .Values.commonLabels)) -}}
{{- end -}}

{{/*
Annotations of the pods: those of the values count over the chart's.

Environment variables are read once: another proxy needs new pods, by its
checksum. Credentials and CAs do not, which is why they have none. Four
digits of the checksum: pods are read by many, and a whole one would let them try
passwords until one fits. One change in 65536 is not noticed.
*/}}
{{- define "fairlead-agent.podAnnotations" -}}
{{- $own := dict
  "kubectl.kubernetes.io/default-container" "agent"
  "fairlead.io/credentials" (printf "Secret %s, key %s" (include "fairlead-agent.credsSecret" .) (include "fairlead-agent.credsKey" .)) -}}
{{- if .Values.metrics.annotations -}}
{{- $own = merge $own (dict "prometheus.io/scrape" "true" "prometheus.io/port" (.Values.opsPort | int | toString) "prometheus.io/path" "/metrics") -}}
{{- end -}}
{{- if include "fairlead-agent.proxyURLs" . | fromYamlArray -}}
{{- $own = set $own "checksum/proxy" (toJson (pick .Values.proxy "httpsProxy" "httpProxy" "allProxy" "noProxy") | sha256sum | trunc 4) -}}
{{- end -}}
{{- toYaml (merge (deepCopy .Values.podAnnotations) $own) -}}
{{- end -}}

{{/*
Labels of the pod of `helm test`, which also select it.
*/}}
{{- define "fairlead-agent.testLabels" -}}
{{- $own := include "fairlead-agent.testSelectorLabels" . | fromYaml -}}
{{- toYaml (merge $own (include "fairlead-agent.moreLabels" . | fromYaml)) -}}
{{- end -}}
{{- define "fairlead-agent.testSelectorLabels" -}}
app.kubernetes.io/name: {{ include "fairlead-agent.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: test
{{- end -}}

{{- define "fairlead-agent.image" -}}
{{- $image := printf "%s/%s" .Values.image.registry .Values.image.repository | trimPrefix "/" -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" $image .Values.image.digest -}}
{{- else -}}
{{- $tag := .Values.image.tag -}}
{{- /* A tag of digits only is a number: helm would render 1.234567e+06. */ -}}
{{- if has (kindOf $tag) (list "int64" "float64") -}}{{- $tag = int64 $tag | toString -}}{{- end -}}
{{- printf "%s:%s" $image (default .Chart.AppVersion $tag) -}}
{{- end -}}
{{- end -}}

{{- define "fairlead-agent.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "fairlead-agent.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/*
The agent as the subject of a binding.
*/}}
{{- define "fairlead-agent.subjects" -}}
- kind: ServiceAccount
  name: {{ include "fairlead-agent.serviceAccountName" . }}
  namespace: {{ .Release.Namespace }}
{{- end -}}

{{/*
The broker's URLs, as a YAML list.
*/}}
{{- define "fairlead-agent.servers" -}}
{{- if kindIs "string" .Values.server -}}
{{- compact (list .Values.server) | toYaml -}}
{{- else -}}
{{- toYaml .Values.server -}}
{{- end -}}
{{- end -}}

{{/*
The Secret with the credentials, and its key.
*/}}
{{- define "fairlead-agent.credsSecret" -}}
{{- default (printf "%s-creds" (include "fairlead-agent.fullname" .)) .Values.existingSecret -}}
{{- end -}}
{{- define "fairlead-agent.credsKey" -}}
{{- ternary .Values.existingSecretKey "agent.creds" (ne .Values.existingSecret "") -}}
{{- end -}}

{{/*
"true" where a bundle of CAs is given.
*/}}
{{- define "fairlead-agent.hasBundle" -}}
{{- if or .pem .existingConfigMap .existingSecret }}true{{ end -}}
{{- end -}}
{{- define "fairlead-agent.hasCA" -}}
{{- include "fairlead-agent.hasBundle" .Values.caBundle -}}
{{- end -}}

{{/*
The source of a volume with a bundle of CAs: a list of the bundle, and the
ConfigMap that the chart makes of it.
*/}}
{{- define "fairlead-agent.bundleVolume" -}}
{{- $bundle := index . 0 -}}
{{- if $bundle.existingSecret -}}
secret:
  secretName: {{ $bundle.existingSecret }}
{{- else -}}
configMap:
  name: {{ default (index . 1) $bundle.existingConfigMap }}
{{- end }}
  optional: true
  items:
    - key: {{ ternary "ca.crt" $bundle.key (ne $bundle.pem "") | quote }}
      path: ca.crt
{{- end -}}

{{/*
The ConfigMap with the allow-list; empty without a list.
*/}}
{{- define "fairlead-agent.allowConfigMap" -}}
{{- if .Values.existingAllowConfigMap -}}
{{- .Values.existingAllowConfigMap -}}
{{- else if .Values.allow -}}
{{- printf "%s-allow" (include "fairlead-agent.fullname" .) -}}
{{- end -}}
{{- end -}}

{{/*
The Secret with the proxies' URLs; empty without a proxy.
*/}}
{{- define "fairlead-agent.proxySecret" -}}
{{- if .Values.proxy.existingSecret -}}
{{- .Values.proxy.existingSecret -}}
{{- else if include "fairlead-agent.proxyURLs" . | fromYamlArray -}}
{{- printf "%s-proxy" (include "fairlead-agent.fullname" .) -}}
{{- end -}}
{{- end -}}

{{/*
The proxies' URLs in the values, as a YAML list.
*/}}
{{- define "fairlead-agent.proxyURLs" -}}
{{- with .Values.proxy }}{{ compact (list .httpsProxy .httpProxy .allProxy) | toYaml }}{{ end -}}
{{- end -}}

{{/*
The Secret with the user and password for the proxy; empty without them.
*/}}
{{- define "fairlead-agent.proxyCredsSecret" -}}
{{- if .Values.proxy.existingCredentialsSecret -}}
{{- .Values.proxy.existingCredentialsSecret -}}
{{- else if .Values.proxy.credentials -}}
{{- printf "%s-proxy-creds" (include "fairlead-agent.fullname" .) -}}
{{- end -}}
{{- end -}}

{{/*
The Secret with headers for a web server in front of the broker, "" for none.
*/}}
{{- define "fairlead-agent.headerSecret" -}}
{{- if .Values.broker.existingHeaderSecret -}}
{{- .Values.broker.existingHeaderSecret -}}
{{- else if .Values.broker.headerFile -}}
{{- printf "%s-headers" (include "fairlead-agent.fullname" .) -}}
{{- end -}}
{{- end -}}

{{- define "fairlead-agent.pullSecrets" -}}
{{- $all := .Values.imagePullSecrets -}}
{{- if .Values.imageCredentials.username -}}
{{- $all = append $all (dict "name" (printf "%s-pull" (include "fairlead-agent.fullname" .))) -}}
{{- end -}}
{{- with $all -}}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end -}}
{{- end -}}

{{/*
The environment variables of a tracing section.
*/}}
{{- define "fairlead-agent.tracingEnv" -}}
- name: OTEL_EXPORTER_OTLP_ENDPOINT
  value: {{ .endpoint | quote }}
- name: OTEL_TRACES_SAMPLER
  value: parentbased_traceidratio
- name: OTEL_TRACES_SAMPLER_ARG
  value: {{ .ratio | quote }}
{{- with .resourceAttributes }}
{{- $pairs := list }}
{{- range $key, $value := . }}
{{- $pairs = append $pairs (printf "%s=%s" $key ($value | urlquery | replace "+" "%20")) }}
{{- end }}
- name: OTEL_RESOURCE_ATTRIBUTES
  value: {{ join "," $pairs | quote }}
{{- end }}
{{- with .headersSecret }}
- name: OTEL_EXPORTER_OTLP_HEADERS
  valueFrom:
    secretKeyRef: {name: {{ . }}, key: headers}
{{- end }}
{{- end -}}

{{/*
The port of a collector's URL.
*/}}
{{- define "fairlead-agent.tracingPort" -}}
{{- $url := urlParse . -}}
{{- regexFind ":[0-9]+$" $url.host | trimPrefix ":" | default (ternary "443" "80" (eq $url.scheme "https")) -}}
{{- end -}}
