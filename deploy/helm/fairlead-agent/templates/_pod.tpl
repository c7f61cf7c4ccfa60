{{/*
What the pods of the agents and that of the doctor have in common: the doctor takes the
agent's path from the same place, as the same service account, with the same settings.
*/}}
{{- define "fairlead-agent.podHead" -}}
serviceAccountName: {{ include "fairlead-agent.serviceAccountName" . }}
automountServiceAccountToken: true
# Else a Service called fairlead-... would become FAIRLEAD_... variables.
enableServiceLinks: false
{{- with include "fairlead-agent.pullSecrets" . }}
{{- . | nindent 0 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
securityContext:
  {{- toYaml .Values.podSecurityContext | nindent 2 }}
{{- with .Values.hostAliases }}
hostAliases:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/*
The agent's arguments, which its command doctor takes too.
*/}}
{{- define "fairlead-agent.args" -}}
{{- range include "fairlead-agent.servers" . | fromYamlArray }}
- {{ printf "--server=%s" . | quote }}
{{- end }}
- --creds=/etc/fairlead/creds/agent.creds
{{- if include "fairlead-agent.hasCA" . }}
- --ca=/etc/fairlead/ca/ca.crt
{{- end }}
{{- with .Values.broker }}
{{- if .caAddSystem }}
- --ca-add-system
{{- end }}
{{- if .clientCertSecret }}
- --client-cert=/etc/fairlead/client/tls.crt
- --client-key=/etc/fairlead/client/tls.key
{{- end }}
{{- with .tlsServerName }}
- {{ printf "--tls-server-name=%s" . | quote }}
{{- end }}
{{- range .headers }}
- {{ printf "--header=%s" . | quote }}
{{- end }}
{{- if include "fairlead-agent.headerSecret" $ }}
- --header-file=/etc/fairlead/headers/headers
{{- end }}
{{- if .insecureTransport }}
- --insecure-transport
{{- end }}
{{- end }}
{{- if include "fairlead-agent.proxyCredsSecret" . }}
- --proxy-credentials=/etc/fairlead/proxy/credentials
{{- end }}
{{- if include "fairlead-agent.hasBundle" .Values.proxy.caBundle }}
- --proxy-ca=/etc/fairlead/proxy-ca/ca.crt
{{- end }}
{{- if include "fairlead-agent.allowConfigMap" . }}
- --allow=/etc/fairlead/allow/allow.yaml
{{- end }}
{{- with .Values.cluster }}
- {{ printf "--cluster=%s" . | quote }}
{{- end }}
- --drain-timeout={{ .Values.drainTimeoutSeconds }}s
{{- if .Values.readsOverHTTP2 }}
- --reads-over-http2
{{- end }}
{{- range $key, $value := .Values.labels }}
- {{ printf "--labels=%s=%s" $key $value | quote }}
{{- end }}
{{- with .Values.settings }}
- {{ printf "--settings-accept=%s" (join "," .accept) | quote }}
{{- end }}
{{- with .Values.log.level }}
- --log-level={{ . }}
{{- end }}
- --log-format={{ .Values.log.format }}
{{- range .Values.extraArgs }}
- {{ . | quote }}
{{- end }}
{{- end -}}

{{- define "fairlead-agent.env" -}}
{{- $proxy := include "fairlead-agent.proxySecret" . -}}
# A variable, since the probe's command needs it too.
- name: FAIRLEAD_OPS_LISTEN
  value: {{ printf ":%v" .Values.opsPort | quote }}
# For the platform's inventory.
- name: FAIRLEAD_POD_NAME
  valueFrom:
    fieldRef: {fieldPath: metadata.name}
- name: FAIRLEAD_NODE_NAME
  valueFrom:
    fieldRef: {fieldPath: spec.nodeName}
{{- if $proxy }}
- name: HTTPS_PROXY
  valueFrom:
    secretKeyRef: {name: {{ $proxy }}, key: httpsProxy, optional: true}
- name: HTTP_PROXY
  valueFrom:
    secretKeyRef: {name: {{ $proxy }}, key: httpProxy, optional: true}
- name: ALL_PROXY
  valueFrom:
    secretKeyRef: {name: {{ $proxy }}, key: allProxy, optional: true}
# The first is the API server's address, which the kubelet fills in.
- name: NO_PROXY
  value: {{ printf "$(KUBERNETES_SERVICE_HOST),localhost,127.0.0.1,::1,.svc,.cluster.local,%s" .Values.proxy.noProxy | trimSuffix "," | quote }}
{{- end }}
{{- if .Values.tracing.endpoint }}
{{- include "fairlead-agent.tracingEnv" .Values.tracing | nindent 0 }}
{{- end }}
{{- with .Values.extraEnv }}
{{- toYaml . | nindent 0 }}
{{- end }}
{{- end -}}

{{- define "fairlead-agent.volumeMounts" -}}
# Folders, since a file that is mounted by itself never changes.
- name: creds
  mountPath: /etc/fairlead/creds
  readOnly: true
{{- if include "fairlead-agent.hasCA" . }}
- name: ca
  mountPath: /etc/fairlead/ca
  readOnly: true
{{- end }}
{{- if .Values.broker.clientCertSecret }}
- name: client
  mountPath: /etc/fairlead/client
  readOnly: true
{{- end }}
{{- if include "fairlead-agent.headerSecret" . }}
- name: headers
  mountPath: /etc/fairlead/headers
  readOnly: true
{{- end }}
{{- if include "fairlead-agent.proxyCredsSecret" . }}
- name: proxy
  mountPath: /etc/fairlead/proxy
  readOnly: true
{{- end }}
{{- if include "fairlead-agent.hasBundle" .Values.proxy.caBundle }}
- name: proxy-ca
  mountPath: /etc/fairlead/proxy-ca
  readOnly: true
{{- end }}
{{- if include "fairlead-agent.allowConfigMap" . }}
- name: allow
  mountPath: /etc/fairlead/allow
  readOnly: true
{{- end }}
{{- with .Values.extraVolumeMounts }}
{{- toYaml . | nindent 0 }}
{{- end }}
{{- end -}}

{{- define "fairlead-agent.volumes" -}}
- name: creds
  secret:
    secretName: {{ include "fairlead-agent.credsSecret" . }}
    # Missing, the agent itself says so, and waits.
    optional: true
    defaultMode: 0440
    items:
      - key: {{ include "fairlead-agent.credsKey" . | quote }}
        path: agent.creds
{{- if include "fairlead-agent.hasCA" . }}
- name: ca
  {{- include "fairlead-agent.bundleVolume" (list .Values.caBundle (printf "%s-ca" (include "fairlead-agent.fullname" .))) | nindent 2 }}
{{- end }}
{{- with .Values.broker.clientCertSecret }}
- name: client
  secret:
    secretName: {{ . }}
    optional: true
    defaultMode: 0440
    items:
      - {key: tls.crt, path: tls.crt}
      - {key: tls.key, path: tls.key}
{{- end }}
{{- with include "fairlead-agent.headerSecret" . }}
- name: headers
  secret:
    secretName: {{ . }}
    optional: true
    defaultMode: 0440
    items:
      - key: {{ ternary $.Values.broker.existingHeaderSecretKey "headers" (ne $.Values.broker.existingHeaderSecret "") | quote }}
        path: headers
{{- end }}
{{- with include "fairlead-agent.proxyCredsSecret" . }}
- name: proxy
  secret:
    secretName: {{ . }}
    optional: true
    defaultMode: 0440
    items:
      - key: {{ ternary $.Values.proxy.existingCredentialsSecretKey "credentials" (ne $.Values.proxy.existingCredentialsSecret "") | quote }}
        path: credentials
{{- end }}
{{- if include "fairlead-agent.hasBundle" .Values.proxy.caBundle }}
- name: proxy-ca
  {{- include "fairlead-agent.bundleVolume" (list .Values.proxy.caBundle (printf "%s-proxy-ca" (include "fairlead-agent.fullname" .))) | nindent 2 }}
{{- end }}
{{- if include "fairlead-agent.allowConfigMap" . }}
- name: allow
  configMap:
    name: {{ include "fairlead-agent.allowConfigMap" . }}
    # Missing, the agent itself says so, and executes nothing.
    optional: true
    items:
      - key: {{ ternary .Values.existingAllowConfigMapKey "allow.yaml" (ne .Values.existingAllowConfigMap "") | quote }}
        path: allow.yaml
{{- end }}
{{- with .Values.extraVolumes }}
{{- toYaml . | nindent 0 }}
{{- end }}
{{- end -}}

{{/*
Where the pods may run.
*/}}
{{- define "fairlead-agent.placement" -}}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/*
The doctor's Job.
*/}}
{{- define "fairlead-agent.doctorName" -}}
{{- printf "%s-doctor-%d" (include "fairlead-agent.fullname" .) .Release.Revision -}}
{{- end -}}

{{/*
Its labels. They do not select agents, and so are not behind the Service.
*/}}
{{- define "fairlead-agent.doctorSelectorLabels" -}}
app.kubernetes.io/name: {{ include "fairlead-agent.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: doctor
{{- end -}}
{{- define "fairlead-agent.doctorLabels" -}}
{{- $own := include "fairlead-agent.doctorSelectorLabels" . | fromYaml -}}
{{- toYaml (merge $own (include "fairlead-agent.moreLabels" . | fromYaml)) -}}
{{- end -}}
{{- define "fairlead-agent.doctorPodLabels" -}}
{{- $own := include "fairlead-agent.doctorSelectorLabels" . | fromYaml -}}
{{- $own = set $own "app.kubernetes.io/part-of" "fairlead" -}}
{{- toYaml (merge $own (deepCopy .Values.podLabels) (deepCopy .Values.commonLabels)) -}}
{{- end -}}
