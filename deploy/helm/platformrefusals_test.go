package helm_test

import (
	"maps"
	"strings"
	"testing"
)

// TestPlatformRefusals: a mistake is refused, with its name and what to do about it.
func TestPlatformRefusals(t *testing.T) {
	set := func(values ...string) []string { return []string{"--set", strings.Join(values, ",")} }
	without := func(key string) []string {
		content := maps.Clone(platformContent)
		delete(content, key)
		return contentArgs(t, content)
	}
	holding := func(key, text string) []string {
		content := maps.Clone(platformContent)
		content[key] = text
		return contentArgs(t, content)
	}
	fileName := func(key string) []string { return holding(key, "file") }
	for name, test := range map[string]struct {
		args []string
		want string
	}{
		"a file of five missing":  {without("config.tokens"), "config.tokens: missing: give all five of config"},
		"two sources":             {append(contentArgs(t, platformContent), set("config.existingSecret=x")...), "config: existingSecret and the files exclude each other"},
		"the file's name":         {fileName("config.guardCreds"), "config.guardCreds: this is not the content of such a file"},
		"two access files":        {set("access.existingConfigMap=x", "access.file.grants[0].name=a"), "access: existingConfigMap and the files exclude each other"},
		"webhooks, and no store":  {set("webhooks.existingSecret=x"), "webhooks.existingSecret: bridges send events from the store"},
		"files without a file":    {set("access.files.ca=x"), "access.file: none given"},
		"a claim of two bridges":  {set("bridge.data.enabled=true", "bridge.data.existingClaim=x"), "bridge.data.existingClaim: a file belongs to one bridge"},
		"a claim of many":         {set("bridge.data.enabled=true", "bridge.data.existingClaim=x", "bridge.replicas=1", "bridge.autoscaling.enabled=true"), "bridge.data.existingClaim: a file belongs to one bridge"},
		"a claim for nothing":     {set("bridge.data.existingClaim=x", "bridge.replicas=1"), "bridge.data.existingClaim: it has no effect"},
		"a size that is none":     {set("bridge.data.enabled=true", "bridge.data.sizeLimit=much"), "at '/bridge/data/sizeLimit'"},
		"a typo in the access":    {set("access.file.grant[0].name=a"), "at '/access/file': additional properties 'grant' not allowed"},
		"a file over the file":    {set(`access.files.access\.yaml=x`, "access.file.grants[0].name=a"), "invalid propertyName 'access.yaml'"},
		"a certificate's name":    {fileName("tls.crt"), "tls.crt: this is not PEM"},
		"a key with the CA":       {holding("tls.ca", "-----BEGIN CERTIFICATE-----\n-----BEGIN RSA PRIVATE KEY-----\n"), "tls.ca: this holds a private key"},
		"a key with the cert":     {holding("tls.crt", "-----BEGIN CERTIFICATE-----\n-----BEGIN PRIVATE KEY-----\n"), "tls.crt: this holds a private key"},
		"a certificate alone":     {without("tls.key"), "tls: give all three of crt, key and ca"},
		"two certificates":        {append(contentArgs(t, platformContent), set("tls.certManager.enabled=true")...), "tls: certManager and the files exclude each other"},
		"a Secret beside":         {append(contentArgs(t, platformContent), set("tls.existingSecret=x")...), "tls: existingSecret and the files exclude each other"},
		"no issuer":               {set("tls.certManager.enabled=true"), "tls.certManager.issuerRef.name: say which issuer"},
		"half of the credentials": {set("imageCredentials.username=u"), "imageCredentials.token: give the token"},
		"the other half":          {set("imageCredentials.token=t"), "imageCredentials.username: give the user"},
		"an Ingress for nobody":   {set("bridge.ingress.enabled=true"), "bridge.ingress.host: say by which host name"},
		"the other":               {set("broker.ingress.enabled=true"), "broker.ingress.host: say by which host name"},
		"an Ingress to nothing": {
			set("broker.ingress.enabled=true", "broker.ingress.host=x", "broker.websocket.enabled=false"), "broker.ingress: an Ingress passes WebSocket only",
		},
		"in clear, in the open":   {set("broker.websocket.tls=false", "broker.service.type=LoadBalancer"), "broker.websocket.tls: without TLS"},
		"PROXY headers of nobody": {set("bridge.proxyProtocol=true"), "bridge.trustedProxies: name the load balancer"},
		"a proxy by name":         {set("bridge.trustedProxies={lb.example.com}"), "at '/bridge/trustedProxies/0'"},
		"more least than most":    {set("bridge.autoscaling.enabled=true", "bridge.autoscaling.minReplicas=11"), "bridge.autoscaling: minReplicas is greater"},

		"a typo":                {set("brokr.replicas=3"), "additional properties 'brokr' not allowed"},
		"a typo below":          {set("broker.replica=3"), "at '/broker': additional properties 'replica' not allowed"},
		"a typo far below":      {set("metrics.serviceMonitor.enable=true"), "at '/metrics/serviceMonitor': additional properties 'enable' not allowed"},
		"a typo in a list":      {set("bridge.tolerations[0].keys=x"), "at '/bridge/tolerations/0': additional properties 'keys' not allowed"},
		"the probe's command":   {set("broker.readinessProbe.exec.command={x}"), "additional properties 'exec' not allowed"},
		"text for a number":     {set("broker.replicas=two"), "at '/broker/replicas': got string, want integer"},
		"text for a truth":      {[]string{"--set-string", "broker.websocket.tls=true"}, "at '/broker/websocket/tls': got string, want boolean"},
		"no broker":             {set("broker.replicas=0"), "at '/broker/replicas': minimum: got 0, want 1"},
		"a duration for number": {set("bridge.drainTimeoutSeconds=25s"), "at '/bridge/drainTimeoutSeconds': got string, want integer"},
		"no CIDR":               {set("broker.service.loadBalancerSourceRanges={everywhere}"), "at '/broker/service/loadBalancerSourceRanges/0'"},
		"an unknown type":       {set("bridge.service.type=Loadbalancer"), "at '/bridge/service/type': value must be one of 'ClusterIP', 'LoadBalancer', 'NodePort'"},
		"an unknown CA":         {set("bridge.kubeconfigCA=none"), "at '/bridge/kubeconfigCA': value must be one of 'auto', 'private', 'system'"},
		"tokens in clear":       {set("bridge.publicURL=http://x"), "at '/bridge/publicURL'"},
		"half a digest":         {set("broker.image.digest=sha256:abc"), "at '/broker/image/digest'"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := refusal(t, platformChart, test.args...); !strings.Contains(got, test.want) {
				t.Errorf("helm says:\n%s\nwant: %s", got, test.want)
			}
		})
	}
}
