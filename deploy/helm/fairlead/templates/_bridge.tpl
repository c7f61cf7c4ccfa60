{{/*
What the pods of the bridges and that of the doctor have in common: the doctor looks with
all that a bridge has.
*/}}
{{- define "fairlead.bridgeArgs" -}}
{{- $of := .Values.bridge -}}
{{- $publicURL := $of.publicURL -}}
{{- if and (not $publicURL) $of.ingress.enabled -}}
{{- $publicURL = printf "https://%s" $of.ingress.host -}}
{{- end -}}
{{- $private := eq $of.kubeconfigCA "private" -}}
{{- if eq $of.kubeconfigCA "auto" -}}
{{- $private = not (or $of.ingress.enabled $of.tlsSecret) -}}
{{- end -}}
- --listen=:8443
{{- include "fairlead.linkArgs" . | trim | nindent 0 }}
- --bridge-key=/etc/fairlead/bridge.nk
{{- if include "fairlead.usesStore" . }}
- --store-key=/etc/fairlead/store.nk
{{- if and .Values.broker.store.enabled (eq (int .Values.broker.replicas) 2) }}
# Two brokers cannot keep three copies.
- --store-replicas=1
{{- end }}
{{- end }}
- --tenants=/etc/fairlead/tenants.yaml
- --tokens=/etc/fairlead/tokens.yaml
{{- with include "fairlead.accessConfigMap" . }}
- --access=/etc/fairlead-access/access.yaml
{{- end }}
{{- if .Values.webhooks.existingSecret }}
- --webhooks=/etc/fairlead-webhooks/webhooks.yaml
{{- end }}
- --tls-cert=/etc/fairlead/tls.crt
- --tls-key=/etc/fairlead/tls.key
{{- if $private }}
- --tls-ca=/etc/fairlead/ca.crt
{{- end }}
{{- with $publicURL }}
- {{ printf "--public-url=%s" . | quote }}
{{- end }}
- --reconnect-grace={{ $of.reconnectGraceSeconds }}s
- --drain-timeout={{ $of.drainTimeoutSeconds }}s
- --idle-timeout={{ $of.idleTimeoutSeconds }}s
{{- with $of.clusterDomain }}
- --cluster-domain={{ . }}
{{- end }}
{{- range $of.corsAllowedOrigins }}
- {{ printf "--cors-allowed-origins=%s" . | quote }}
{{- end }}
{{- if not $of.ui }}
- --ui=false
{{- end }}
{{- if not $of.http2 }}
- --http2=false
{{- end }}
{{- if $of.accessLog }}
- --access-log
{{- end }}
{{- with $of.trustedProxies }}
- {{ printf "--trusted-proxies=%s" (join "," .) | quote }}
{{- end }}
{{- if $of.proxyProtocol }}
- --proxy-protocol
{{- end }}
- --log-level={{ .Values.log.level }}
- --log-format={{ .Values.log.format }}
{{- range $of.extraArgs }}
- {{ . | quote }}
{{- end }}
{{- end -}}

{{- define "fairlead.bridgeMounts" -}}
# A folder, since a file that is mounted by itself never changes.
- name: config
  mountPath: /etc/fairlead
  readOnly: true
{{- with include "fairlead.accessConfigMap" . }}
- name: access
  mountPath: /etc/fairlead-access
  readOnly: true
{{- end }}
{{- if .Values.webhooks.existingSecret }}
- name: webhooks
  mountPath: /etc/fairlead-webhooks
  readOnly: true
{{- end }}
{{- include "fairlead.linkMounts" . | nindent 0 }}
{{- end -}}

{{- define "fairlead.bridgeVolumes" -}}
{{- $of := .Values.bridge -}}
- name: config
  projected:
    defaultMode: 0440
    sources:
      - secret:
          name: {{ include "fairlead.configSecret" . }}
          items:
            - {key: bridge.nk, path: bridge.nk}
            - {key: tenants.yaml, path: tenants.yaml}
            - {key: tokens.yaml, path: tokens.yaml}
            {{- if include "fairlead.usesStore" . }}
            - {key: store.nk, path: store.nk}
            {{- end }}
      - secret:
          name: {{ include "fairlead.tlsSecret" . }}
          items:
            - {key: ca.crt, path: ca.crt}
      - secret:
          name: {{ default (include "fairlead.tlsSecret" .) $of.tlsSecret }}
          items:
            - {key: tls.crt, path: tls.crt}
            - {key: tls.key, path: tls.key}
{{- with include "fairlead.accessConfigMap" . }}
- name: access
  configMap:
    name: {{ . }}
    defaultMode: 0444
{{- end }}
{{- with .Values.webhooks.existingSecret }}
- name: webhooks
  secret:
    secretName: {{ . }}
    defaultMode: 0440
{{- end }}
{{- include "fairlead.linkVolumes" . | nindent 0 }}
{{- end -}}
