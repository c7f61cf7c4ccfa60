package helm_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestAgentRefusals: a mistake is refused, with its name and what to do about it.
func TestAgentRefusals(t *testing.T) {
	for name, test := range map[string]struct {
		args []string
		want string
	}{
		"no server": {
			[]string{"--set", "existingSecret=x"},
			"server: say where the broker is, like --set server=wss://broker.example.com:4223",
		},
		"no credentials": {
			[]string{"--set", "server=wss://b"},
			"creds: give the cluster's credentials by --set-file creds=FILE, or name a Secret that holds them by --set existingSecret=NAME",
		},
		"two credentials": {with("--set", "creds=x"), "creds and existingSecret are both given"},
		"the file's name for its content": {
			[]string{"--set", "server=wss://b", "--set", "creds=prod.creds"},
			"creds: this is not the content of a NATS credentials file (--set-file creds=FILE takes the content, --set creds=FILE the name)",
		},
		"a scheme that agents do not speak": {with("--set", "server=https://b"), `server: "https://b" is not a broker URL: write wss://HOST`},
		"several servers in one":            {with("--set", `server=wss://a\,wss://b`), "a list for several"},
		"a password in the server's URL":    {with("--set", "server=wss://u:p@b"), "is not a broker URL"},
		"two CAs":                           {with("--set", "caBundle.existingSecret=a", "--set", "caBundle.existingConfigMap=b"), "caBundle: pem, existingConfigMap and existingSecret exclude each other"},
		"a CA's file name":                  {with("--set", "caBundle.pem=ca.crt"), "caBundle.pem: this holds no PEM certificate"},
		"a key among the CAs":               {with("--set-literal", "caBundle.pem=-----BEGIN CERTIFICATE-----\n-----BEGIN EC PRIVATE KEY-----\n"), "caBundle.pem: this holds a private key"},
		"to act as, without rights":         {with("--set", "rbac.create=false", "--set", "impersonation.users={x}"), "impersonation.users: with rbac.create=false no right"},
		"a server in the clear":             {with("--set", "server=ws://b"), `server: "ws://b" is not encrypted: write wss:// or tls://, or permit it by --set broker.insecureTransport=true`},
		"the system's CAs besides none":     {with("--set", "broker.caAddSystem=true"), "broker.caAddSystem: only means something with caBundle"},
		"headers of two places":             {with("--set", "server=wss://b", "--set", "broker.headerFile=A: b", "--set", "broker.existingHeaderSecret=x"), "broker: headerFile and existingHeaderSecret exclude each other"},
		"headers for NATS":                  {with("--set", "server=tls://b", "--set", "broker.headers={A: b}"), "only mean something for a server with wss://"},
		"a header without name":             {with("--set", "server=wss://b", "--set", "broker.headers={hidden}"), "broker.headers[0]: this is not of the form 'Name: value'"},
		"a header file's name":              {with("--set", "server=wss://b", "--set", "broker.headerFile=headers.txt"), "broker.headerFile: a line is not of the form"},
		"a proxy without scheme":            {with("--set", "proxy.httpsProxy=proxy:3128"), "proxy.httpsProxy: this is not a URL like http://proxy.example.com:3128"},
		"two proxies":                       {with("--set", "proxy.httpsProxy=http://p", "--set", "proxy.existingSecret=x"), "proxy: existingSecret and the URLs exclude each other"},
		"another kind of proxy":             {with("--set", "proxy.allProxy=socks4://p"), "proxy.allProxy: this is not a URL like"},
		"two proxies, one for all":          {with("--set", "proxy.allProxy=http://p", "--set", "proxy.existingSecret=x"), "proxy: existingSecret and the URLs exclude each other"},
		"a file's name for a password":      {with("--set", "proxy.credentials=password.txt"), "proxy.credentials: this is not user:password"},
		"two users of the proxy":            {with("--set", "proxy.credentials=u:p", "--set", "proxy.existingCredentialsSecret=x"), "proxy: credentials and existingCredentialsSecret exclude each other"},
		"two CAs of the proxy":              {with("--set", "proxy.caBundle.existingSecret=a", "--set", "proxy.caBundle.existingConfigMap=b"), "proxy.caBundle: pem, existingConfigMap"},
		"a proxy's CA's file name":          {with("--set", "proxy.caBundle.pem=ca.crt"), "proxy.caBundle.pem: this holds no PEM certificate (--set-file proxy.caBundle.pem=FILE"},
		"half of the registry credentials":  {with("--set", "imageCredentials.username=u"), "imageCredentials.token: give the token"},
		"the other half":                    {with("--set", "imageCredentials.token=t"), "imageCredentials.username: give the user"},
		"anyone without a list":             {with("--set", "impersonation.anyone=true", "--set", "allow.exec=false"), "impersonation.anyone: whoever may act as anyone has every right"},
		"anyone without rights":             {with("--set", "impersonation.anyone=true", "--set", "rbac.create=false", "--set", "allow.as.users={x}"), "impersonation.anyone: with rbac.create=false"},
		"two lists":                         {with("--set", "allow.exec=false", "--set", "existingAllowConfigMap=x"), "allow and existingAllowConfigMap are both given"},
		"neither resources nor paths":       {with("--set-json", `allow.requests=[{"verbs":["get"]}]`), "allow.requests[0]: a rule has either resources or paths"},
		"everybody's group":                 {with("--set", "impersonation.groups={system:masters}"), "impersonation.groups: system:masters may do everything"},
		"paths in a namespace": {
			with("--set", "rbac.namespaces={a}", "--set-json", `rbac.rules=[{"nonResourceURLs":["/metrics"],"verbs":["get"]}]`),
			"rbac.rules: nonResourceURLs are rights in the whole cluster",
		},

		"a typo in the list":    {with("--set", "allow.readonly=true"), "at '/allow': additional properties 'readonly' not allowed"},
		"a typo in its rules":   {with("--set-json", `allow.requests=[{"verbs":["get"],"resources":["pods"],"namespace":["a"]}]`), "at '/allow/requests/0': additional properties 'namespace' not allowed"},
		"no verbs":              {with("--set-json", `allow.requests=[{"resources":["pods"]}]`), "at '/allow/requests/0': missing property 'verbs'"},
		"a wildcard for system": {with("--set", "allow.as.users={system:*}"), "at '/allow/as/users/0'"},
		"a star in the middle":  {with("--set", "allow.as.groups={a*b}"), "at '/allow/as/groups/0'"},
		"a typo":                {with("--set", "servr=wss://b"), "additional properties 'servr' not allowed"},
		"a typo below":          {with("--set", "image.tagg=x"), "at '/image': additional properties 'tagg' not allowed"},
		"a typo far below":      {with("--set", "metrics.serviceMonitor.enable=true"), "at '/metrics/serviceMonitor': additional properties 'enable' not allowed"},
		"a typo in a list":      {with("--set", "tolerations[0].keys=x"), "at '/tolerations/0': additional properties 'keys' not allowed"},
		"a typo in a rule":      {with("--set-json", `rbac.rules=[{"verb":["get"]}]`), "at '/rbac/rules/0'"},
		"the probe's command":   {with("--set", "readinessProbe.exec.command={x}"), "additional properties 'exec' not allowed"},
		"a number for text":     {with("--set", "server=1"), "at '/server': got number, want string or array"},
		"text for a number":     {with("--set", "replicas=two"), "at '/replicas': got string, want integer"},
		"text for a truth":      {with("--set-string", "rbac.create=true"), "at '/rbac/create': got string, want boolean"},
		"a list for a map":      {with("--set", "nodeSelector={a}"), "at '/nodeSelector': got array, want object"},
		"a number for a label":  {with("--set", "podLabels.x=1"), "at '/podLabels/x': got number, want string"},
		"too few":               {with("--set", "replicas=-1"), "at '/replicas': minimum: got -1, want 0"},
		"no port":               {with("--set", "opsPort=70000"), "at '/opsPort': maximum: got 70,000, want 65,535"},
		"an unknown preset":     {with("--set", "rbac.preset=cluster-admin"), "at '/rbac/preset': value must be one of 'none', 'view', 'edit', 'admin'"},
		"an unknown level":      {with("--set", "log.level=loud"), "at '/log/level': value must be one of"},
		"an unknown setting":    {with("--set", "settings.accept={allow}"), "at '/settings/accept/0': value must be one of"},
		"no label":              {with("--set-json", `labels={"a b":"x"}`), "'a b' does not match pattern"},
		"a list as a label":     {with("--set-json", `labels={"a":["x"]}`), "at '/labels/a'"},
		"an unknown policy":     {with("--set", "image.pullPolicy=Sometimes"), "at '/image/pullPolicy': value must be one of"},
		"half a digest":         {with("--set", "image.digest=sha256:abc"), "at '/image/digest'"},
		"no namespace's name":   {with("--set", "rbac.namespaces={Shop}"), "at '/rbac/namespaces/0'"},
		"an account by itself":  {with("--set", "impersonation.serviceAccounts={deployer}"), "at '/impersonation/serviceAccounts/0'"},
		"a dot in the cluster":  {with("--set", "cluster=prod.acme"), "at '/cluster'"},
		"an interval in words":  {with("--set", "metrics.serviceMonitor.interval=often"), "at '/metrics/serviceMonitor/interval'"},
		"a context's typo":      {with("--set", "securityContext.readonlyRootFilesystem=true"), "additional properties 'readonlyRootFilesystem' not allowed"},
		"an alias without name": {with("--set", "hostAliases[0].ip=10.0.0.1"), "at '/hostAliases/0': missing property 'hostnames'"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := refusal(t, agentChart, test.args...); !strings.Contains(got, test.want) {
				t.Errorf("helm says:\n%s\nwant in it: %s", got, test.want)
			}
		})
	}
}

// TestRefusalsComeFromTheValidation: helm prints the template's name in front of the
// sentence, so the template should be the one that validates.
func TestRefusalsComeFromTheValidation(t *testing.T) {
	for chart, args := range map[string][]string{
		agentChart: {"--set", "networkPolicy.enabled=true"}, platformChart: {"--set", "bridge.ingress.enabled=true"},
	} {
		if got, want := refusal(t, chart, args...), "/templates/validate.yaml:"; !strings.Contains(got, want) {
			t.Errorf("%s: helm says:\n%s\nwant in it: %s", chart, got, want)
		}
	}
}

// TestAgentRefusalsShowNoSecret: helm's output goes to logs of CI jobs.
func TestAgentRefusalsShowNoSecret(t *testing.T) {
	file := filepath.Join(t.TempDir(), "values.yaml")
	if err := os.WriteFile(file, []byte("creds: hunter2\nproxy: {httpsProxy: 'ftp://u:hunter2@p', credentials: hunter2}\nimageCredentials: {token: hunter2}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"--set", "server=wss://b"},
		{"--set", "server=wss://b", "--set", "creds=", "--set", "existingSecret=x"},
		{"--set", "server=wss://b", "--set", "creds=", "--set", "existingSecret=x", "--set", "proxy.httpsProxy="},
		{"--set", "server=wss://b", "--set", "creds=", "--set", "existingSecret=x", "--set", "proxy.httpsProxy=", "--set", "proxy.credentials="},
	} {
		if got := refusal(t, agentChart, append(args, "--values", file)...); strings.Contains(got, "hunter2") {
			t.Errorf("helm says: %s", got)
		}
	}
}
