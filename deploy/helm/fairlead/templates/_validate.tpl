{{/*
Checks that the schema cannot express, or not with a clear message: each mistake
is reported as one sentence that names the value and what to write.
*/}}
{{- define "fairlead.validate" -}}
{{- $config := .Values.config -}}
{{- $given := list -}}
{{- $missing := list -}}
{{- range list "resolverConf" "guardCreds" "bridgeKey" "tenants" "tokens" -}}
{{- if get $config . -}}{{- $given = append $given . -}}{{- else -}}{{- $missing = append $missing (printf "config.%s" .) -}}{{- end -}}
{{- end -}}
{{- if and $given $missing -}}
{{- fail (printf "%s: missing: give all five of config, by --set-file, or none of them and a Secret of your own" (join ", " $missing)) -}}
{{- end -}}
{{- if and $given $config.existingSecret -}}
{{- fail "config: existingSecret and the files exclude each other: leave one out" -}}
{{- end -}}
{{- if $given -}}
{{- range $key, $mark := dict "resolverConf" "resolver" "guardCreds" "BEGIN NATS USER JWT" "bridgeKey" "SA" "tokens" "tokens:" -}}
{{- if not (contains $mark (get $config $key)) -}}
{{- fail (printf "config.%s: this is not the content of such a file, which has %q in it (--set-file takes the content, --set the file's name)" $key $mark) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $bridge := .Values.bridge -}}
{{- if and $bridge.data.existingClaim (not $bridge.data.enabled) -}}
{{- fail "bridge.data.existingClaim: it has no effect without bridge.data.enabled" -}}
{{- end -}}
{{- if and $bridge.data.existingClaim (or $bridge.autoscaling.enabled (gt (int $bridge.replicas) 1)) -}}
{{- fail "bridge.data.existingClaim: a file belongs to one bridge: set bridge.replicas to 1 without autoscaling, or share approvals, audit and recordings by broker.store" -}}
{{- end -}}
{{- $store := compact (list $config.storeKey $config.storeAccount) -}}
{{- if and $store (or (not $given) (lt (len $store) 2)) -}}
{{- fail "config: storeKey and storeAccount come together, and with the other five files of config" -}}
{{- end -}}
{{- if and (include "fairlead.usesStore" .) $given (not $store) -}}
{{- fail "broker.store: give config.storeKey and config.storeAccount too, by --set-file: keys/store.nk and store.account of 'fairlead-broker init' or 'store add', or of platform.sh" -}}
{{- end -}}
{{- if and $store (not (regexMatch "^SA[A-Z2-7]{56}$" (trim $config.storeKey))) -}}
{{- fail "config.storeKey: this is not the content of store.nk, the seed of an account's key (--set-file takes the content, --set the file's name)" -}}
{{- end -}}
{{- if and $store (not (regexMatch "^A[A-Z2-7]{55}$" (trim $config.storeAccount))) -}}
{{- fail "config.storeAccount: this is not the content of store.account, the public key of an account (--set-file takes the content, --set the file's name)" -}}
{{- end -}}
{{- if not $given -}}
{{- include "fairlead.keepSecret" (dict "root" . "name" (include "fairlead.configSecret" .) "files" "all five of config.*") -}}
{{- end -}}

{{- if and .Values.access.existingConfigMap (or .Values.access.file .Values.access.files) -}}
{{- fail "access: existingConfigMap and the files exclude each other: leave one out" -}}
{{- end -}}
{{- if and .Values.access.files (not .Values.access.file) -}}
{{- fail "access.file: none given, so that nothing would use access.files" -}}
{{- end -}}

{{- $gateways := .Values.broker.gateways -}}
{{- $names := list -}}
{{- range $gateways.regions -}}
{{- if has .name $names -}}
{{- fail (printf "broker.gateways.regions: %s is there twice: give all its urls in one" .name) -}}
{{- end -}}
{{- $names = append $names .name -}}
{{- end -}}
{{- if and (not $gateways.region) (or $names $gateways.storeInOtherRegion) -}}
{{- fail "broker.gateways.region: the name of this region is missing; without it there are no gateways" -}}
{{- end -}}
{{- if and $gateways.region (not (without $names $gateways.region)) -}}
{{- fail (printf "broker.gateways.regions: names no region but %s, which is this one" $gateways.region) -}}
{{- end -}}
{{- if and $gateways.region .Values.broker.store.enabled (lt (int .Values.broker.replicas) 2) -}}
{{- fail "broker.store: with broker.gateways the region that keeps the store needs two brokers at least, and better three: set broker.replicas" -}}
{{- end -}}
{{- if and $gateways.storeInOtherRegion .Values.broker.store.enabled -}}
{{- fail "broker.gateways.storeInOtherRegion: one region keeps the store: leave this out, or broker.store.enabled" -}}
{{- end -}}

{{- if and .Values.webhooks.existingSecret (not (include "fairlead.usesStore" .)) -}}
{{- fail "webhooks.existingSecret: bridges send events from the store that they share: set broker.store.enabled" -}}
{{- end -}}

{{- $tls := .Values.tls -}}
{{- $given = compact (list $tls.crt $tls.key $tls.ca) -}}
{{- if and $given (lt (len $given) 3) -}}
{{- fail "tls: give all three of crt, key and ca, by --set-file, or none of them and a Secret of your own" -}}
{{- end -}}
{{- if and $given $tls.existingSecret -}}
{{- fail "tls: existingSecret and the files exclude each other: leave one out" -}}
{{- end -}}
{{- if and $given $tls.certManager.enabled -}}
{{- fail "tls: certManager and the files exclude each other: leave one out" -}}
{{- end -}}
{{- if $given -}}
{{- range $key, $mark := dict "crt" "BEGIN CERTIFICATE" "key" "PRIVATE KEY" "ca" "BEGIN CERTIFICATE" -}}
{{- if not (contains $mark (get $tls $key)) -}}
{{- fail (printf "tls.%s: this is not PEM with %q (--set-file takes the content, --set the file's name)" $key $mark) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- range $key := list "crt" "ca" -}}
{{- if contains "PRIVATE KEY" (get $tls $key) -}}
{{- fail (printf "tls.%s: this holds a private key, which belongs only in tls.key: give the certificates without it" $key) -}}
{{- end -}}
{{- end -}}
{{- if not (or $given $tls.certManager.enabled) -}}
{{- include "fairlead.keepSecret" (dict "root" . "name" (include "fairlead.tlsSecret" .) "files" "tls.crt, tls.key and tls.ca") -}}
{{- end -}}
{{- if and $tls.certManager.enabled (not $tls.certManager.issuerRef.name) -}}
{{- fail "tls.certManager.issuerRef.name: say which issuer; it must be one with a private CA" -}}
{{- end -}}

{{- if and .Values.bridge.proxyProtocol (not .Values.bridge.trustedProxies) -}}
{{- fail "bridge.trustedProxies: name the load balancer that sends PROXY protocol headers; they are accepted only from there" -}}
{{- end -}}

{{- include "fairlead.validateLink" . -}}

{{- with .Values.imageCredentials -}}
{{- if and .username (not .token) -}}
{{- fail "imageCredentials.token: give the token of imageCredentials.username" -}}
{{- else if and .token (not .username) -}}
{{- fail "imageCredentials.username: give the user whose token imageCredentials.token is" -}}
{{- end -}}
{{- end -}}

{{- if and .Values.bridge.ingress.enabled (not .Values.bridge.ingress.host) -}}
{{- fail "bridge.ingress.host: say by which host name callers reach the bridges" -}}
{{- end -}}
{{- if and .Values.broker.ingress.enabled (not .Values.broker.ingress.host) -}}
{{- fail "broker.ingress.host: say by which host name agents reach the brokers" -}}
{{- end -}}
{{- if and .Values.broker.ingress.enabled (not .Values.broker.websocket.enabled) -}}
{{- fail "broker.ingress: an Ingress passes WebSocket only: set broker.websocket.enabled=true" -}}
{{- end -}}
{{- if and (not .Values.broker.websocket.tls) .Values.broker.websocket.enabled (ne .Values.broker.service.type "ClusterIP") -}}
{{- fail "broker.websocket.tls: without TLS the brokers' Service must be of type ClusterIP, behind an Ingress or Gateway that has it" -}}
{{- end -}}
{{- with .Values.bridge.autoscaling -}}
{{- if and .enabled (gt (int .minReplicas) (int .maxReplicas)) -}}
{{- fail "bridge.autoscaling: minReplicas is greater than maxReplicas" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/*
Refuses an upgrade that would take away a Secret which the release has made from
files, called with (dict "root" . "name" ... "files" ...). An upgrade with --set
alone starts from the chart's values, so that the files are missing: helm would
remove the Secret with the only copy of its keys that the pods have. Without a
cluster to ask (helm template, helm lint) there is none to lose.
*/}}
{{- define "fairlead.keepSecret" -}}
{{- if .root.Release.IsUpgrade -}}
{{- $metadata := (lookup "v1" "Secret" .root.Release.Namespace .name).metadata | default dict -}}
{{- $annotations := $metadata.annotations | default dict -}}
{{- $byHelm := eq (get ($metadata.labels | default dict) "app.kubernetes.io/managed-by") "Helm" -}}
{{- $byThis := eq (get $annotations "meta.helm.sh/release-name") .root.Release.Name -}}
{{- if and $byHelm $byThis (ne (get $annotations "helm.sh/resource-policy") "keep") -}}
{{- fail (printf "this release made the Secret %s from files, and without them it would be removed: give %s again by --set-file, or use --reset-then-reuse-values" .name .files) -}}
{{- end -}}
{{- end -}}
{{- end -}}
