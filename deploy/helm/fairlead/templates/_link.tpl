{{/*
How a bridge connects to its brokers (bridge.broker), and through which forward proxy
(bridge.proxy). The chart fairlead-agent has the same for agents.
*/}}
{{- define "fairlead.linkArgs" -}}
{{- $of := .Values.bridge.broker -}}
{{- range $of.servers }}
- {{ printf "--broker-url=%s" . | quote }}
{{- else }}
# Each by its own name, so that the bridge survives the loss of one.
{{- range include "fairlead.brokerHosts" . | trim | splitList "\n" }}
- --broker-url=tls://{{ . }}:4222
{{- end }}
{{- end }}
- --broker-ca={{ ternary "/etc/fairlead-broker/ca" "/etc/fairlead" (ne "" (include "fairlead.hasBundle" $of.caBundle)) }}/ca.crt
{{- if $of.caAddSystem }}
- --broker-ca-add-system
{{- end }}
{{- if $of.clientCertSecret }}
- --broker-client-cert=/etc/fairlead-broker/client/tls.crt
- --broker-client-key=/etc/fairlead-broker/client/tls.key
{{- end }}
{{- with $of.tlsServerName }}
- {{ printf "--broker-tls-server-name=%s" . | quote }}
{{- end }}
{{- range $of.headers }}
- {{ printf "--broker-header=%s" . | quote }}
{{- end }}
{{- if include "fairlead.headerSecret" . }}
- --broker-header-file=/etc/fairlead-broker/headers/headers
{{- end }}
{{- if $of.insecureTransport }}
- --broker-insecure-transport
{{- end }}
{{- if include "fairlead.proxyCredsSecret" . }}
- --broker-proxy-credentials=/etc/fairlead-broker/proxy/credentials
{{- end }}
{{- if include "fairlead.hasBundle" .Values.bridge.proxy.caBundle }}
- --broker-proxy-ca=/etc/fairlead-broker/proxy-ca/ca.crt
{{- end }}
{{- end -}}

{{- define "fairlead.linkEnv" -}}
{{- with include "fairlead.proxySecret" . }}
- name: HTTPS_PROXY
  valueFrom:
    secretKeyRef: {name: {{ . }}, key: httpsProxy, optional: true}
- name: HTTP_PROXY
  valueFrom:
    secretKeyRef: {name: {{ . }}, key: httpProxy, optional: true}
- name: ALL_PROXY
  valueFrom:
    secretKeyRef: {name: {{ . }}, key: allProxy, optional: true}
# The first is the API server's address, which the kubelet fills in: an access file may
# name it for reviews.
- name: NO_PROXY
  value: {{ printf "$(KUBERNETES_SERVICE_HOST),localhost,127.0.0.1,::1,.svc,.cluster.local,%s" $.Values.bridge.proxy.noProxy | trimSuffix "," | quote }}
{{- end }}
{{- end -}}

{{/*
The files of the connection: name, "Secret" or "ConfigMap", its name, and the keys with
their files, as a YAML list.
*/}}
{{- define "fairlead.linkFiles" -}}
{{- $of := .Values.bridge -}}
{{- range $name, $bundle := dict "ca" $of.broker.caBundle "proxy-ca" $of.proxy.caBundle }}
{{- if include "fairlead.hasBundle" $bundle }}
- name: {{ $name }}
  {{- if $bundle.existingSecret }}
  secret: {{ $bundle.existingSecret }}
  {{- else }}
  configMap: {{ default (printf "%s-%s" (include "fairlead.bridge" $) $name) $bundle.existingConfigMap }}
  {{- end }}
  items:
    - {key: {{ ternary "ca.crt" $bundle.key (ne $bundle.pem "") | quote }}, path: ca.crt}
{{- end }}
{{- end }}
{{- with $of.broker.clientCertSecret }}
- name: client
  secret: {{ . }}
  items:
    - {key: tls.crt, path: tls.crt}
    - {key: tls.key, path: tls.key}
{{- end }}
{{- with include "fairlead.headerSecret" . }}
- name: headers
  secret: {{ . }}
  items:
    - {key: {{ ternary $of.broker.existingHeaderSecretKey "headers" (ne $of.broker.existingHeaderSecret "") | quote }}, path: headers}
{{- end }}
{{- with include "fairlead.proxyCredsSecret" . }}
- name: proxy
  secret: {{ . }}
  items:
    - {key: {{ ternary $of.proxy.existingCredentialsSecretKey "credentials" (ne $of.proxy.existingCredentialsSecret "") | quote }}, path: credentials}
{{- end }}
{{- end -}}

{{- define "fairlead.linkMounts" -}}
{{- range include "fairlead.linkFiles" . | fromYamlArray }}
- name: broker-{{ .name }}
  mountPath: /etc/fairlead-broker/{{ .name }}
  readOnly: true
{{- end }}
{{- end -}}

{{- define "fairlead.linkVolumes" -}}
{{- range include "fairlead.linkFiles" . | fromYamlArray }}
- name: broker-{{ .name }}
  {{- if .secret }}
  secret:
    secretName: {{ .secret }}
    defaultMode: 0440
  {{- else }}
  configMap:
    name: {{ .configMap }}
  {{- end }}
    items:
      {{- toYaml .items | nindent 6 }}
{{- end }}
{{- end -}}

{{/*
"true" where a bundle of CAs is given.
*/}}
{{- define "fairlead.hasBundle" -}}
{{- if or .pem .existingConfigMap .existingSecret }}true{{ end -}}
{{- end -}}

{{/*
The Secret with headers for a web server in front of the broker, "" for none.
*/}}
{{- define "fairlead.headerSecret" -}}
{{- with .Values.bridge.broker -}}
{{- if .existingHeaderSecret -}}
{{- .existingHeaderSecret -}}
{{- else if .headerFile -}}
{{- printf "%s-headers" (include "fairlead.bridge" $) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/*
The proxies' URLs in the values, as a YAML list.
*/}}
{{- define "fairlead.proxyURLs" -}}
{{- with .Values.bridge.proxy }}{{ compact (list .httpsProxy .httpProxy .allProxy) | toYaml }}{{ end -}}
{{- end -}}

{{/*
The Secret with the proxies' URLs; "" without a proxy.
*/}}
{{- define "fairlead.proxySecret" -}}
{{- if .Values.bridge.proxy.existingSecret -}}
{{- .Values.bridge.proxy.existingSecret -}}
{{- else if include "fairlead.proxyURLs" . | fromYamlArray -}}
{{- printf "%s-proxy" (include "fairlead.bridge" .) -}}
{{- end -}}
{{- end -}}

{{/*
The Secret with the user and password for the proxy; "" without them.
*/}}
{{- define "fairlead.proxyCredsSecret" -}}
{{- with .Values.bridge.proxy -}}
{{- if .existingCredentialsSecret -}}
{{- .existingCredentialsSecret -}}
{{- else if .credentials -}}
{{- printf "%s-proxy-creds" (include "fairlead.bridge" $) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/*
The ports of the brokers elsewhere and of the proxies, as a YAML list.
*/}}
{{- define "fairlead.linkPorts" -}}
{{- $ports := list -}}
{{- $default := dict "tls" "4222" "nats" "4222" "ws" "80" "http" "80" "socks5" "1080" "socks5h" "1080" -}}
{{- range concat .Values.bridge.broker.servers (include "fairlead.proxyURLs" . | fromYamlArray) -}}
{{- $url := urlParse . -}}
{{- $port := regexFind ":[0-9]+$" $url.host | trimPrefix ":" -}}
{{- $ports = append $ports (default (get $default $url.scheme | default "443") $port | int) -}}
{{- end -}}
{{- uniq $ports | toYaml -}}
{{- end -}}
