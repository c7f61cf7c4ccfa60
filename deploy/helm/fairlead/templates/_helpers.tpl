{{/*
The chart's name, as in app.kubernetes.io/name.
*/}}
{{- define "fairlead.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/*
The prefix of the names of the release's objects. With suffixes, names have at most
52 characters, so that labels of a StatefulSet's pods have at most 63.
*/}}
{{- define "fairlead.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 36 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 36 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 36 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "fairlead.broker" -}}{{ include "fairlead.fullname" . }}-broker{{- end -}}
{{- define "fairlead.headless" -}}{{ include "fairlead.fullname" . }}-broker-headless{{- end -}}
{{- define "fairlead.bridge" -}}{{ include "fairlead.fullname" . }}-bridge{{- end -}}
{{- define "fairlead.bridgeOps" -}}{{ include "fairlead.fullname" . }}-bridge-ops{{- end -}}

{{/*
The Secrets: the user's own, or those that the chart makes.
*/}}
{{- define "fairlead.configSecret" -}}
{{- default (include "fairlead.fullname" .) .Values.config.existingSecret -}}
{{- end -}}
{{/*
The ConfigMap with the access file, empty if there is none.
*/}}
{{- define "fairlead.accessConfigMap" -}}
{{- if .Values.access.file -}}{{ include "fairlead.fullname" . }}-access{{- else -}}{{ .Values.access.existingConfigMap }}{{- end -}}
{{- end -}}
{{- define "fairlead.tlsSecret" -}}
{{- default (printf "%s-tls" (include "fairlead.fullname" .)) .Values.tls.existingSecret -}}
{{- end -}}

{{/*
The labels that select the pods of a component, called with
(dict "root" . "component" ...). They never change: selectors cannot.
*/}}
{{- define "fairlead.selectorLabels" -}}
app.kubernetes.io/name: {{ include "fairlead.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{/*
Labels of an object of a component. Those of the chart cannot be replaced by
values: selectors and helm go by them.
*/}}
{{- define "fairlead.labels" -}}
{{- $own := include "fairlead.selectorLabels" . | fromYaml -}}
{{- $more := dict
  "app.kubernetes.io/version" .root.Chart.AppVersion
  "app.kubernetes.io/part-of" "fairlead"
  "app.kubernetes.io/managed-by" .root.Release.Service
  "helm.sh/chart" (printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-") -}}
{{- toYaml (merge $own $more (deepCopy .root.Values.commonLabels)) -}}
{{- end -}}

{{/*
Labels of a component's pods: no version of the chart, which would replace all
pods where nothing of theirs has changed.
*/}}
{{- define "fairlead.podLabels" -}}
{{- $own := include "fairlead.selectorLabels" . | fromYaml -}}
{{- $own = set $own "app.kubernetes.io/part-of" "fairlead" -}}
{{- $more := (get .root.Values .component).podLabels -}}
{{- toYaml (mergeOverwrite (deepCopy .root.Values.commonLabels) (deepCopy $more) $own) -}}
{{- end -}}

{{/*
Labels of the doctor's pod. They select no bridge, so that it is not behind the Service.
*/}}
{{- define "fairlead.doctorPodLabels" -}}
{{- $own := include "fairlead.selectorLabels" (dict "root" . "component" "doctor") | fromYaml -}}
{{- $own = set $own "app.kubernetes.io/part-of" "fairlead" -}}
{{- toYaml (mergeOverwrite (deepCopy .Values.commonLabels) (deepCopy .Values.bridge.podLabels) $own) -}}
{{- end -}}

{{- define "fairlead.image" -}}
{{- $values := .root.Values -}}
{{- $of := (get $values .component).image -}}
{{- $image := printf "%s/%s" $values.image.registry $of.repository | trimPrefix "/" -}}
{{- if $of.digest -}}
{{- printf "%s@%s" $image $of.digest -}}
{{- else -}}
{{- $tag := $values.image.tag -}}
{{- /* A tag of digits only is a number: helm would render 1.234567e+06. */ -}}
{{- if has (kindOf $tag) (list "int64" "float64") -}}{{- $tag = int64 $tag | toString -}}{{- end -}}
{{- printf "%s:%s" $image (default .root.Chart.AppVersion $tag) -}}
{{- end -}}
{{- end -}}

{{- define "fairlead.pullSecrets" -}}
{{- $all := .Values.imagePullSecrets -}}
{{- if .Values.imageCredentials.username -}}
{{- $all = append $all (dict "name" (printf "%s-pull" (include "fairlead.fullname" .))) -}}
{{- end -}}
{{- with $all -}}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end -}}
{{- end -}}

{{- define "fairlead.serviceAccountName" -}}
{{- $account := (get .root.Values .component).serviceAccount -}}
{{- if $account.create -}}
{{- default (include (printf "fairlead.%s" .component) .root) $account.name -}}
{{- else -}}
{{- default "default" $account.name -}}
{{- end -}}
{{- end -}}

{{/*
The brokers' names for each other and for bridges, one a line. They are short of
the cluster's domain, which pods find by themselves.
*/}}
{{- define "fairlead.brokerHosts" -}}
{{- range $i := until (int .Values.broker.replicas) }}
{{ printf "%s-%d.%s.%s.svc" (include "fairlead.broker" $) $i (include "fairlead.headless" $) $.Release.Namespace }}
{{- end }}
{{- end -}}

{{/*
What the brokers may keep of what bridges share, in bytes: nine tenths of the volume,
since the file system and what the brokers write besides take some.
*/}}
{{- define "fairlead.storeMax" -}}
{{- $size := .Values.broker.store.size -}}
{{- $units := dict "M" 1000000 "G" 1000000000 "T" 1000000000000 "Mi" 1048576 "Gi" 1073741824 "Ti" 1099511627776 -}}
{{- $unit := regexFind "[MGT]i?$" $size -}}
{{- mulf (trimSuffix $unit $size | float64) (get $units $unit) 0.9 | int64 -}}
{{- end -}}

{{- define "fairlead.gateways" -}}
{{- printf "%s-gateways" (include "fairlead.broker" . | trunc 54 | trimSuffix "-") -}}
{{- end -}}

{{/*
The ports of other regions' brokers, a YAML list.
*/}}
{{- define "fairlead.gatewayPorts" -}}
{{- $ports := list -}}
{{- with .Values.broker.gateways -}}
{{- $own := .region -}}
{{- range .regions -}}
{{- if ne .name $own -}}
{{- range .urls -}}
{{- $ports = append $ports (regexFind "[0-9]+$" . | int) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $ports | uniq | toYaml -}}
{{- end -}}

{{/*
Whether bridges use a store: that of these brokers, or of another region's. Empty: no.
*/}}
{{- define "fairlead.usesStore" -}}
{{- if or .Values.broker.store.enabled .Values.broker.gateways.storeInOtherRegion -}}yes{{- end -}}
{{- end -}}

{{/*
The names within the cluster that the certificate must be for, one a line, and those that
other regions use.
*/}}
{{- define "fairlead.certificateHosts" -}}
*.{{ include "fairlead.headless" . }}.{{ .Release.Namespace }}.svc
{{ include "fairlead.broker" . }}.{{ .Release.Namespace }}.svc
{{ include "fairlead.bridge" . }}.{{ .Release.Namespace }}.svc
{{- with .Values.broker.gateways }}
{{- if .region }}
{{ include "fairlead.gateways" $ }}.{{ $.Release.Namespace }}.svc
{{- range $region := .regions }}
{{- if eq .name $.Values.broker.gateways.region }}
{{- range .urls }}
{{ trimPrefix "tls://" . | regexFind "^.*:" | trimSuffix ":" | trimPrefix "[" | trimSuffix "]" }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{/*
Annotations of a component's pods: those of the values count over the chart's.
*/}}
{{- define "fairlead.podAnnotations" -}}
{{- $own := dict "kubectl.kubernetes.io/default-container" .component -}}
{{- if .root.Values.metrics.annotations -}}
{{- $own = merge $own (dict "prometheus.io/scrape" "true" "prometheus.io/port" (toString .opsPort) "prometheus.io/path" "/metrics") -}}
{{- end -}}
{{- toYaml (merge (deepCopy (get .root.Values .component).podAnnotations) $own) -}}
{{- end -}}

{{/*
The fields that the pods of both components have, and that of the doctor.
*/}}
{{- define "fairlead.podHead" -}}
{{- $of := get .root.Values .component -}}
serviceAccountName: {{ include "fairlead.serviceAccountName" . }}
automountServiceAccountToken: false
# Else a Service called fairlead-... would become FAIRLEAD_... variables.
enableServiceLinks: false
{{- with include "fairlead.pullSecrets" .root }}
{{ . }}
{{- end }}
{{- with $of.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
securityContext:
  {{- toYaml .root.Values.podSecurityContext | nindent 2 }}
{{- with $of.hostAliases }}
hostAliases:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $of.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $of.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $of.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/*
The fields that the pods of both components have.
*/}}
{{- define "fairlead.podSpec" -}}
{{- $of := get .root.Values .component -}}
{{- include "fairlead.podHead" . }}
terminationGracePeriodSeconds: {{ add $of.preStopSeconds $of.drainTimeoutSeconds 10 }}
topologySpreadConstraints:
  {{- $spread := $of.topologySpreadConstraints }}
  {{- if not $spread }}
  {{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
  {{- $spread = append $spread (dict "maxSkew" 1 "topologyKey" . "whenUnsatisfiable" "ScheduleAnyway") }}
  {{- end }}
  {{- end }}
  {{- $own := dict "labelSelector" (dict "matchLabels" (include "fairlead.selectorLabels" . | fromYaml)) }}
  {{- range $spread }}
  - {{- toYaml (merge (deepCopy .) (ternary dict $own (hasKey . "labelSelector"))) | nindent 4 }}
  {{- end }}
{{- end -}}

{{/*
The environment variables of a component, which the doctor has too.
*/}}
{{- define "fairlead.componentEnv" -}}
{{- $of := get .root.Values .component -}}
{{- if eq .component "bridge" }}
{{- if include "fairlead.usesStore" .root }}
- name: FAIRLEAD_STORE_ACCOUNT
  valueFrom:
    secretKeyRef: {name: {{ include "fairlead.configSecret" .root }}, key: store.account}
{{- end }}
{{- include "fairlead.linkEnv" .root | nindent 0 }}
{{- end }}
{{- if ($of.tracing).endpoint }}
{{- include "fairlead.tracingEnv" $of.tracing | nindent 0 }}
{{- end }}
{{- with $of.extraEnv }}
{{- toYaml . | nindent 0 }}
{{- end }}
{{- end -}}

{{/*
The fields that the containers of both components have.
*/}}
{{- define "fairlead.container" -}}
{{- $of := get .root.Values .component -}}
image: {{ include "fairlead.image" . | quote }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
env:
  # A variable, since the probe's command needs it too.
  - name: FAIRLEAD_OPS_LISTEN
    value: {{ printf ":%v" .opsPort | quote }}
  {{- with include "fairlead.componentEnv" . | trim }}
  {{- . | nindent 2 }}
  {{- end }}
{{- if $of.preStopSeconds }}
# Connections that are on their way still find open listeners: Services, proxies
# and Ingress controllers learn of a pod's end while the pod ends.
lifecycle:
  preStop:
    sleep:
      seconds: {{ $of.preStopSeconds }}
{{- end }}
# A command, so that the reason is in the pod's events.
readinessProbe:
  exec:
    command: [/fairlead-{{ .component }}, healthcheck, ready]
  {{- toYaml $of.readinessProbe | nindent 2 }}
livenessProbe:
  httpGet:
    path: /livez
    port: ops
  {{- toYaml $of.livenessProbe | nindent 2 }}
# The last lines of the log say why, when it exits.
terminationMessagePolicy: FallbackToLogsOnError
resources:
  {{- toYaml $of.resources | nindent 2 }}
securityContext:
  {{- toYaml .root.Values.securityContext | nindent 2 }}
{{- end -}}

{{/*
The fields, except ports, of a Service that may be of type LoadBalancer.
*/}}
{{- define "fairlead.serviceSpec" -}}
type: {{ .type }}
{{- if ne .type "ClusterIP" }}
externalTrafficPolicy: {{ .externalTrafficPolicy }}
{{- end }}
{{- if eq .type "LoadBalancer" }}
{{- with .loadBalancerClass }}
loadBalancerClass: {{ . }}
{{- end }}
{{- with .loadBalancerSourceRanges }}
loadBalancerSourceRanges:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
{{- end -}}

{{/*
Annotations that ingress-nginx needs in front of a component, called with
(dict "root" . "component" ... "tls" bool). None of the connections may be cut
for having been quiet: watches and idle agents are.
*/}}
{{- define "fairlead.nginxAnnotations" -}}
nginx.ingress.kubernetes.io/backend-protocol: {{ ternary "HTTPS" "HTTP" .tls }}
nginx.ingress.kubernetes.io/proxy-http-version: "1.1"
nginx.ingress.kubernetes.io/proxy-buffering: "off"
nginx.ingress.kubernetes.io/proxy-request-buffering: "off"
nginx.ingress.kubernetes.io/proxy-body-size: "0"
nginx.ingress.kubernetes.io/proxy-read-timeout: "3600"
nginx.ingress.kubernetes.io/proxy-send-timeout: "3600"
{{- if .tls }}
nginx.ingress.kubernetes.io/proxy-ssl-verify: "on"
nginx.ingress.kubernetes.io/proxy-ssl-secret: {{ printf "%s/%s" .root.Release.Namespace (include "fairlead.tlsSecret" .root) }}
nginx.ingress.kubernetes.io/proxy-ssl-name: {{ printf "%s.%s.svc" (include (printf "fairlead.%s" .component) .root) .root.Release.Namespace }}
nginx.ingress.kubernetes.io/proxy-ssl-server-name: "on"
{{- end }}
{{- end -}}

{{/*
The labels that select the pod of `helm test`.
*/}}
{{- define "fairlead.testPeer" -}}
- podSelector:
    matchLabels:
      {{- include "fairlead.selectorLabels" (dict "root" . "component" "test") | nindent 6 }}
{{- end -}}

{{/*
What selects the bridges and the doctor, which must look from behind the same policy.
*/}}
{{- define "fairlead.bridgeSelector" -}}
matchLabels:
  {{- omit (include "fairlead.selectorLabels" (dict "root" . "component" "bridge") | fromYaml) "app.kubernetes.io/component" | toYaml | nindent 2 }}
matchExpressions:
  - {key: app.kubernetes.io/component, operator: In, values: [bridge, doctor]}
{{- end -}}

{{- define "fairlead.dnsEgress" -}}
# DNS; behind its Service it may have another port, as on OpenShift.
- ports:
    - {port: 53, protocol: UDP}
    - {port: 53, protocol: TCP}
    - {port: 5353, protocol: UDP}
    - {port: 5353, protocol: TCP}
{{- end -}}

{{/*
The environment variables of a tracing section.
*/}}
{{- define "fairlead.tracingEnv" -}}
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
{{- define "fairlead.tracingPort" -}}
{{- $url := urlParse . -}}
{{- regexFind ":[0-9]+$" $url.host | trimPrefix ":" | default (ternary "443" "80" (eq $url.scheme "https")) -}}
{{- end -}}
