{{/*
Checks that the schema cannot express, or not with a clear message: each mistake
is reported as one sentence that names the value and what to write.
*/}}
{{- define "fairlead-agent.validate" -}}
{{- $servers := include "fairlead-agent.servers" . | fromYamlArray -}}
{{- if not $servers -}}
{{- fail "server: say where the broker is, like --set server=wss://broker.example.com:4223" -}}
{{- end -}}
{{- $insecure := .Values.broker.insecureTransport -}}
{{- range $servers -}}
{{- if and (hasPrefix "ws://" . | or (hasPrefix "nats://" .)) (not $insecure) -}}
{{- fail (printf "server: %q is not encrypted: write wss:// or tls://, or permit it by --set broker.insecureTransport=true" .) -}}
{{- end -}}
{{- if not (regexMatch "^(tls|wss|nats|ws)://[^/@\\s,]+(/[^\\s,]*)?$" .) -}}
{{- fail (printf "server: %q is not a broker URL: write wss://HOST[:PORT][/PATH] or tls://HOST[:PORT], and a list for several" .) -}}
{{- end -}}
{{- end -}}

{{- if and .Values.creds .Values.existingSecret -}}
{{- fail "creds and existingSecret are both given: leave one out" -}}
{{- else if not (or .Values.creds .Values.existingSecret) -}}
{{- fail "creds: give the cluster's credentials by --set-file creds=FILE, or name a Secret that holds them by --set existingSecret=NAME" -}}
{{- end -}}
{{- if and .Values.creds (not (and (contains "BEGIN NATS USER JWT" .Values.creds) (contains "BEGIN USER NKEY SEED" .Values.creds))) -}}
{{- fail "creds: this is not the content of a NATS credentials file (--set-file creds=FILE takes the content, --set creds=FILE the name)" -}}
{{- end -}}

{{- range $name, $bundle := dict "caBundle" .Values.caBundle "proxy.caBundle" .Values.proxy.caBundle -}}
{{- with $bundle -}}
{{- if gt (len (compact (list .pem .existingConfigMap .existingSecret))) 1 -}}
{{- fail (printf "%s: pem, existingConfigMap and existingSecret exclude each other: give one" $name) -}}
{{- end -}}
{{- if and .pem (not (contains "BEGIN CERTIFICATE" .pem)) -}}
{{- fail (printf "%s.pem: this holds no PEM certificate (--set-file %[1]s.pem=FILE takes the content, --set %[1]s.pem=FILE the name)" $name) -}}
{{- end -}}
{{- /* It becomes a ConfigMap, which the role view may read. */ -}}
{{- if contains "PRIVATE KEY" .pem -}}
{{- fail (printf "%s.pem: this holds a private key, and many may read a ConfigMap: give the certificates without it" $name) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- with .Values.broker -}}
{{- if and .caAddSystem (not (include "fairlead-agent.hasCA" $)) -}}
{{- fail "broker.caAddSystem: only means something with caBundle" -}}
{{- end -}}
{{- if and .headerFile .existingHeaderSecret -}}
{{- fail "broker: headerFile and existingHeaderSecret exclude each other: leave one out" -}}
{{- end -}}
{{- if and (or .headers .headerFile .existingHeaderSecret) (not (regexMatch "(^| )wss?://" (join " " $servers))) -}}
{{- fail "broker.headers, headerFile and existingHeaderSecret: only mean something for a server with wss://" -}}
{{- end -}}
{{- range $i, $header := .headers -}}
{{- if not (regexMatch "^[-!#$%&'*+.^_`|~0-9A-Za-z]+:[^\r\n]*$" $header) -}}
{{- fail (printf "broker.headers[%d]: this is not of the form 'Name: value' (not shown, it may be a secret)" $i) -}}
{{- end -}}
{{- end -}}
{{- range $line := splitList "\n" .headerFile -}}
{{- $line = trimSuffix "\r" $line -}}
{{- if not (or (eq (trim $line) "") (hasPrefix "#" $line) (regexMatch "^[-!#$%&'*+.^_`|~0-9A-Za-z]+:[^\r]*$" $line)) -}}
{{- fail "broker.headerFile: a line is not of the form 'Name: value' (--set-file broker.headerFile=FILE takes the content; not shown)" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- if and .Values.proxy.existingSecret (include "fairlead-agent.proxyURLs" . | fromYamlArray) -}}
{{- fail "proxy: existingSecret and the URLs exclude each other: leave one out" -}}
{{- end -}}
{{- with .Values.proxy -}}
{{- if and .credentials .existingCredentialsSecret -}}
{{- fail "proxy: credentials and existingCredentialsSecret exclude each other: leave one out" -}}
{{- end -}}
{{- if and .credentials (not (regexMatch "^[^:\\s][^:\\n]*:[^\\n]*\\n?$" .credentials)) -}}
{{- fail "proxy.credentials: this is not user:password (--set-file proxy.credentials=FILE takes the content; not shown)" -}}
{{- end -}}
{{- end -}}

{{- range $key := list "httpsProxy" "httpProxy" "allProxy" -}}
{{- with get $.Values.proxy $key -}}
{{- if not (regexMatch "^(https?|socks5h?)://[^/\\s]+/?$" .) -}}
{{- fail (printf "proxy.%s: this is not a URL like http://proxy.example.com:3128 (not shown, it may hold a password)" $key) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- with .Values.imageCredentials -}}
{{- if and .username (not .token) -}}
{{- fail "imageCredentials.token: give the token of imageCredentials.username" -}}
{{- else if and .token (not .username) -}}
{{- fail "imageCredentials.username: give the user whose token imageCredentials.token is" -}}
{{- end -}}
{{- end -}}

{{- if .Values.rbac.namespaces -}}
{{- range .Values.rbac.rules -}}
{{- if .nonResourceURLs -}}
{{- fail "rbac.rules: nonResourceURLs are rights in the whole cluster: leave rbac.namespaces empty" -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and .Values.allow .Values.existingAllowConfigMap -}}
{{- fail "allow and existingAllowConfigMap are both given: leave one out" -}}
{{- end -}}
{{- range $i, $rule := .Values.allow.requests -}}
{{- if eq (hasKey $rule "resources") (hasKey $rule "paths") -}}
{{- fail (printf "allow.requests[%d]: a rule has either resources or paths" $i) -}}
{{- end -}}
{{- end -}}
{{- if .Values.impersonation.anyone -}}
{{- if not (or .Values.allow.as .Values.existingAllowConfigMap) -}}
{{- fail "impersonation.anyone: whoever may act as anyone has every right in the cluster: limit it by allow.as, or by a list in existingAllowConfigMap" -}}
{{- end -}}
{{- end -}}
{{- if not .Values.rbac.create -}}
{{- range $key, $value := .Values.impersonation -}}
{{- if $value -}}
{{- fail (printf "impersonation.%s: with rbac.create=false no right to impersonate is made: leave it out and bind the service account yourself" $key) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if has "system:masters" .Values.impersonation.groups -}}
{{- fail "impersonation.groups: system:masters may do everything, whatever RBAC says; name a group of yours and bind it" -}}
{{- end -}}
{{- end -}}
