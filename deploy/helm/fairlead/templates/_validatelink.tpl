{{/*
Checks of bridge.broker and bridge.proxy, like those of the chart fairlead-agent.
*/}}
{{- define "fairlead.validateLink" -}}
{{- $of := .Values.bridge.broker -}}
{{- range $of.servers -}}
{{- if not (regexMatch "^(tls|wss|nats|ws)://[^/@\\s,]+(/[^\\s,]*)?$" .) -}}
{{- fail (printf "bridge.broker.servers: %q is not a broker URL: write wss://HOST[:PORT][/PATH] or tls://HOST[:PORT]" .) -}}
{{- end -}}
{{- if and (hasPrefix "ws://" . | or (hasPrefix "nats://" .)) (not $of.insecureTransport) -}}
{{- fail (printf "bridge.broker.servers: %q is not encrypted: write wss:// or tls://, or permit it by --set bridge.broker.insecureTransport=true" .) -}}
{{- end -}}
{{- end -}}
{{- range $name, $bundle := dict "bridge.broker.caBundle" $of.caBundle "bridge.proxy.caBundle" .Values.bridge.proxy.caBundle -}}
{{- if gt (len (compact (list $bundle.pem $bundle.existingConfigMap $bundle.existingSecret))) 1 -}}
{{- fail (printf "%s: pem, existingConfigMap and existingSecret exclude each other: give one" $name) -}}
{{- end -}}
{{- if and $bundle.pem (not (contains "BEGIN CERTIFICATE" $bundle.pem)) -}}
{{- fail (printf "%s.pem: this holds no PEM certificate (--set-file %[1]s.pem=FILE takes the content, --set %[1]s.pem=FILE the name)" $name) -}}
{{- end -}}
{{- /* It becomes a ConfigMap, which the role view may read. */ -}}
{{- if contains "PRIVATE KEY" $bundle.pem -}}
{{- fail (printf "%s.pem: this holds a private key, and many may read a ConfigMap: give the certificates without it" $name) -}}
{{- end -}}
{{- end -}}
{{- if and $of.headerFile $of.existingHeaderSecret -}}
{{- fail "bridge.broker: headerFile and existingHeaderSecret exclude each other: leave one out" -}}
{{- end -}}
{{- if and (or $of.headers $of.headerFile $of.existingHeaderSecret) (not (regexMatch "(^| )wss?://" (join " " $of.servers))) -}}
{{- fail "bridge.broker.headers, headerFile and existingHeaderSecret: only mean something with a wss:// URL in bridge.broker.servers" -}}
{{- end -}}
{{- range $i, $header := $of.headers -}}
{{- if not (regexMatch "^[-!#$%&'*+.^_`|~0-9A-Za-z]+:[^\r\n]*$" $header) -}}
{{- fail (printf "bridge.broker.headers[%d]: this is not of the form 'Name: value' (not shown, it may be a secret)" $i) -}}
{{- end -}}
{{- end -}}
{{- range $line := splitList "\n" $of.headerFile -}}
{{- $line = trimSuffix "\r" $line -}}
{{- if not (or (eq (trim $line) "") (hasPrefix "#" $line) (regexMatch "^[-!#$%&'*+.^_`|~0-9A-Za-z]+:[^\r]*$" $line)) -}}
{{- fail "bridge.broker.headerFile: a line is not of the form 'Name: value' (--set-file bridge.broker.headerFile=FILE takes the content; not shown)" -}}
{{- end -}}
{{- end -}}
{{- include "fairlead.validateProxy" . -}}
{{- end -}}

{{- define "fairlead.validateProxy" -}}
{{- $of := .Values.bridge.proxy -}}
{{- if and $of.existingSecret (include "fairlead.proxyURLs" . | fromYamlArray) -}}
{{- fail "bridge.proxy: existingSecret and the URLs exclude each other: leave one out" -}}
{{- end -}}
{{- if and $of.credentials $of.existingCredentialsSecret -}}
{{- fail "bridge.proxy: credentials and existingCredentialsSecret exclude each other: leave one out" -}}
{{- end -}}
{{- if and $of.credentials (not (regexMatch "^[^:\\s][^:\\n]*:[^\\n]*\\n?$" $of.credentials)) -}}
{{- fail "bridge.proxy.credentials: this is not user:password (--set-file bridge.proxy.credentials=FILE takes the content; not shown)" -}}
{{- end -}}
{{- range $key := list "httpsProxy" "httpProxy" "allProxy" -}}
{{- with get $of $key -}}
{{- if not (regexMatch "^(https?|socks5h?)://[^/\\s]+/?$" .) -}}
{{- fail (printf "bridge.proxy.%s: this is not a URL like http://proxy.example.com:3128 (not shown, it may hold a password)" $key) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
