package test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/fairlead-io/fairlead/test/harness"
)

const module = "github.com/fairlead-io/fairlead"

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// pkg is a package of this module as the go command sees it.
type pkg struct {
	ImportPath  string
	Dir         string
	GoFiles     []string
	Imports     []string // of its non-test files
	TestGoFiles []string
}

// name is the import path within the module, "" for another module's.
func within(path string) string {
	if path == module {
		return "."
	}
	rest, ok := strings.CutPrefix(path, module+"/")
	if !ok {
		return ""
	}
	return rest
}

func packages(t *testing.T) []pkg {
	t.Helper()
	root, err := harness.Root()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("go", "list", "-json=ImportPath,Dir,GoFiles,Imports,TestGoFiles", "./...")
	cmd.Dir, cmd.Stderr = root, os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []pkg
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

// rule says what the packages below a folder may import besides the standard
// library.
type rule struct {
	folder string   // the longest match counts
	may    []string // packages of this module, with those below for "/...", or other modules
	any    bool     // any other module
	why    string
}

var rules = []rule{
	{folder: "subjects", why: "the contract imports nothing"},
	{folder: "subjects/settings", may: []string{"subjects"}, why: "it is a part of the contract"},
	{folder: "subjects/stream", may: []string{"subjects", "subjects/stream/internal/..."}, why: "the engine knows no NATS"},
	{folder: "subjects/stream/internal", may: []string{"subjects"}, why: "a part of the engine does not know the whole"},
	{folder: "subjects/stream/internal/frame", may: []string{"subjects", "subjects/stream/internal/flow"}, why: "its smallest buffer is what a message takes of the credit"},
	{folder: "subjects/cause", may: []string{}, why: "it is a catalogue, which every part reads"},
	{folder: "subjects/cause/failures", may: []string{"subjects/cause", "github.com/prometheus/client_golang"}, why: "it counts failures, whoever had them"},
	{folder: "subjects/cause/classify", may: []string{"subjects/cause"}, why: "it judges errors, and makes no connections"},
	{folder: "subjects/natslink", may: []string{"subjects", "subjects/cause", "subjects/cause/classify", "subjects/natslink/lane", "subjects/stream", "github.com/nats-io/nats.go"}, why: "it carries streams over NATS, no more"},
	{folder: "subjects/natslink/lane", may: []string{"subjects", "github.com/nats-io/nats.go"}, why: "it carries messages, whatever they say"},
	{folder: "subjects/natslink/dial", may: []string{"deploy/redact", "subjects/cause", "subjects/cause/classify", "subjects/natslink/dial/proxy", "github.com/coder/websocket"}, why: "it makes connections, and knows no NATS"},
	{folder: "subjects/natslink/dial/proxy", may: []string{"deploy/redact", "subjects/cause", "subjects/cause/classify", "golang.org/x/net", "github.com/Azure/go-ntlmssp", "github.com/icholy/digest"}, why: "it reaches servers through proxies, whatever they speak"},
	{folder: "subjects/natslink/dial/transport", may: []string{"subjects", "subjects/cause", "deploy/reload", "golang.org/x/net/http/httpguts"}, why: "it reads files, and makes no connections"},
	{folder: "subjects/natslink/reach", may: []string{"deploy/reload", "subjects/cause", "subjects/natslink", "subjects/natslink/dial/..."}, why: "it chooses servers, and knows neither credentials nor who connects"},
	{folder: "deploy/daemon", may: []string{"deploy/reload", "deploy/requestid"}, any: true, why: "what all binaries share knows none of them"},
	{folder: "deploy/daemon/processors", why: "it knows the process, and nothing of what that does"},
	{folder: "deploy/actas", may: []string{"deploy/daemon", "subjects", "github.com/spf13/pflag"}, why: "it reads a command line, nothing else"},
	{folder: "deploy/diagnosis", may: []string{"deploy/daemon", "subjects/cause", "subjects/cause/classify", "github.com/spf13/pflag", "golang.org/x/term"}, why: "it shows what others found, and looks at nothing"},
	{folder: "deploy/diagnosis/path", may: []string{"deploy/diagnosis", "subjects/cause", "subjects/natslink", "subjects/natslink/dial", "github.com/nats-io/nats.go"}, why: "it shows connections, and makes none"},
	{folder: "deploy/reachflags", may: []string{"deploy/daemon", "subjects/natslink/reach", "github.com/spf13/pflag"}, why: "it declares flags, and reaches nothing"},
	{folder: "deploy/reload", may: []string{"deploy/redact"}, why: "files and TLS, nothing else"},
	{folder: "deploy/requestid", why: "an id in a context, nothing else"},
	{folder: "deploy/redact", why: "it reads texts, whoever wrote them"},
	{folder: "deploy/nearest", why: "it compares names, nothing else"},
	{folder: "deploy/strictyaml", may: []string{"deploy/nearest", "deploy/redact", "go.yaml.in/yaml/v3"}, why: "it decodes files, and knows none of them"},
	{folder: "deploy/requestinfo", may: []string{"k8s.io/apimachinery", "k8s.io/apiserver"}, why: "it reads a request as an API server does, nothing else"},
	{folder: "deploy/tracing", may: []string{"deploy/tracing/span", "github.com/go-logr/logr", "github.com/prometheus/client_golang", "go.opentelemetry.io/otel", "golang.org/x"}, why: "it exports spans, whatever they are of"},
	{folder: "deploy/tracing/span", may: []string{"go.opentelemetry.io/otel/attribute", "go.opentelemetry.io/otel/codes", "go.opentelemetry.io/otel/propagation", "go.opentelemetry.io/otel/semconv", "go.opentelemetry.io/otel/trace"}, why: "it makes spans, and knows neither the SDK nor where they go"},
	{folder: "deploy/tracing/tracingtest", may: []string{"test/harness/eventually", "go.opentelemetry.io/proto/otlp", "google.golang.org/grpc", "google.golang.org/protobuf"}, why: "it takes spans as other collectors do; tests import it"},
	{folder: "deploy/compose", why: "its programs run beside the binaries, and need nothing of ours"},
	{folder: "agent", may: []string{"agent/...", "subjects/...", "deploy/reload", "deploy/requestid", "deploy/requestinfo", "deploy/strictyaml", "deploy/tracing/span"}, any: true, why: "the three parts meet on the wire only, and only a main knows that it is one"},
	{folder: "agent/allow", may: []string{"agent/fault", "subjects", "deploy/reload", "deploy/requestinfo", "deploy/strictyaml", "go.yaml.in/yaml/v3", "github.com/prometheus/client_golang"}, why: "it judges requests, and sends none"},
	{folder: "agent/settings", may: []string{"subjects", "subjects/settings"}, why: "it says what is set, and not how"},
	{folder: "agent/upstream", may: []string{"agent/fault", "agent/upstream/http1", "deploy/redact", "subjects", "subjects/cause", "subjects/cause/classify", "deploy/reload", "k8s.io", "golang.org/x"}, why: "it knows the API server, and nothing of brokers"},
	{folder: "agent/upstream/http1", may: []string{"golang.org/x"}, why: "it makes requests of a server, whichever it is"},
	{folder: "agent/link", may: []string{"subjects", "subjects/cause", "subjects/cause/classify", "subjects/natslink", "subjects/natslink/dial/...", "subjects/natslink/reach", "deploy/reload", "github.com/nats-io", "github.com/prometheus/client_golang"}, why: "it knows the broker, and nothing of requests or the API server"},
	{folder: "agent/serve", may: []string{"agent/allow", "agent/fault", "agent/upstream", "agent/upstream/http1", "subjects", "subjects/stream", "deploy/requestid", "deploy/requestinfo", "deploy/tracing/span", "go.opentelemetry.io/otel/semconv", "k8s.io/api", "k8s.io/apimachinery", "golang.org/x", "github.com/prometheus/client_golang"}, why: "it executes streams, whatever carries them"},
	{folder: "agent/doctor", may: []string{"agent/allow", "agent/link", "agent/upstream", "deploy/diagnosis", "deploy/diagnosis/path", "subjects", "subjects/cause", "subjects/natslink", "subjects/natslink/dial",
		"github.com/nats-io/nats.go", "github.com/prometheus/client_golang", "k8s.io/api", "k8s.io/client-go"}, why: "it looks at the path of an agent, and serves nothing"},
	{folder: "agent/fault", may: []string{"subjects"}, why: "an error with a code of the contract, nothing else"},
	{folder: "agent/agenttest", may: []string{"subjects/...", "test/harness/eventually", "test/harness/freeport", "test/harness/natsrun", "test/harness/testca"}, any: true, why: "what stands around an agent in its tests"},
	{folder: "agent/cmd", may: []string{"agent/...", "subjects/...", "deploy/..."}, any: true, why: "the three parts meet on the wire only"},
	{folder: "broker", may: []string{"broker/...", "subjects/...", "deploy/reload", "deploy/requestid"}, any: true, why: "the three parts meet on the wire only, and only a main knows that it is one"},
	{folder: "broker/keys", may: []string{"subjects", "deploy/reload", "github.com/nats-io/jwt", "github.com/nats-io/nkeys", "github.com/nats-io/nats.go", "go.yaml.in/yaml"}, why: "what mints credentials is not a broker"},
	{folder: "broker/trust", may: []string{"broker/keys", "subjects"}, any: true, why: "it judges what a broker would trust, and runs none"},
	{folder: "broker/internal/brokertest", may: []string{"broker/keys", "subjects"}, any: true, why: "tests of the broker import it"},
	{folder: "broker/cmd", may: []string{"broker/...", "subjects/...", "deploy/..."}, any: true, why: "the three parts meet on the wire only"},
	{folder: "bridge", may: []string{"bridge/...", "subjects/...", "deploy/reload", "deploy/requestid", "deploy/requestinfo", "deploy/strictyaml", "deploy/tracing/span"}, any: true, why: "the three parts meet on the wire only, and only a main knows that it is one"},
	{folder: "test/harness/freeport", why: "it finds ports, for whatever server"},
	{folder: "test/harness/natsrun", may: []string{"github.com/nats-io/nats-server"}, why: "it runs a server, whatever its accounts"},
	{folder: "test/harness/passage", may: []string{"test/harness/freeport"}, why: "it passes bytes, whatever they are"},
	{folder: "test/harness/browser", may: []string{"github.com/chromedp/chromedp"}, why: "it runs a browser, whatever is shown in it"},
	{folder: "bridge/internal/natstest", may: []string{"subjects", "subjects/natslink", "subjects/natslink/reach", "test/harness/freeport", "test/harness/natsrun"}, any: true, why: "tests of the bridge import it"},
	{folder: "bridge/internal/storetest", may: []string{"subjects", "test/harness/eventually", "test/harness/freeport", "test/harness/natsrun", "test/harness/passage"}, any: true, why: "tests of the bridge import it"},
	{folder: "bridge/internal/sleep", why: "it waits, whoever does"},
	{folder: "bridge/internal/openapitest", may: []string{"github.com/pb33f/libopenapi/datamodel", "github.com/santhosh-tekuri/jsonschema/v6", "go.yaml.in/yaml/v3"}, why: "it knows of the bridge what its description says; tests import it"},
	{folder: "bridge/api", why: "types that a client of the bridge uses too"},
	{folder: "bridge/client", may: []string{"bridge/api", "bridge/client/internal/exchange", "bridge/client/internal/follow", "bridge/internal/sleep"}, why: "programs that import it need nothing else of the module, and nothing of others"},
	{folder: "bridge/client/internal/exchange", may: []string{"bridge/internal/sleep"}, why: "it sends requests, whatever they mean"},
	{folder: "bridge/client/internal/follow", may: []string{"bridge/client/internal/exchange"}, why: "it reads lines, whatever they say"},
	{folder: "bridge/client/webhook", may: []string{"bridge/api"}, why: "receivers of webhooks need nothing else of the module"},
	{folder: "bridge/client/kube", may: []string{"bridge/client", "bridge/client/reconnect", "k8s.io/apimachinery", "k8s.io/client-go"}, why: "what client-go needs is kept from programs that do not use it"},
	{folder: "bridge/client/reconnect", may: []string{"bridge/client", "bridge/connection/resume", "bridge/internal/sleep", "github.com/coder/websocket"}, why: "it makes connections, whatever they carry"},
	{folder: "bridge/connection", may: []string{"bridge/access", "bridge/answer", "bridge/connection/resume", "bridge/platform/endpoint", "github.com/coder/websocket"}, why: "it passes requests on to the bridge, and reaches no cluster itself"},
	{folder: "bridge/connection/resume", may: []string{"github.com/coder/websocket"}, why: "both ends of a connection are of it"},
	{folder: "bridge/answer", may: []string{"bridge/api", "subjects", "deploy/requestinfo", "deploy/tracing/span"}, why: "it says what the bridge says, to whomever"},
	{folder: "bridge/access", may: []string{"bridge/access/limit", "bridge/answer", "bridge/record", "subjects", "deploy/requestinfo"}, why: "it decides about callers, and knows no streams"},
	{folder: "bridge/access/token", may: []string{"bridge/access", "subjects", "deploy/reload", "deploy/strictyaml", "go.yaml.in/yaml/v3"}, why: "it knows a file of tokens"},
	{folder: "bridge/access/clientcert", may: []string{"bridge/access", "bridge/answer", "deploy/reload", "deploy/strictyaml", "go.yaml.in/yaml/v3"}, why: "it knows certificates and their headers"},
	{folder: "bridge/access/webhook", may: []string{"subjects/cause", "subjects/natslink/dial/proxy", "deploy/tracing/span", "deploy/redact", "bridge/access", "bridge/access/grant", "bridge/answer", "bridge/internal/sleep", "subjects", "deploy/reload", "deploy/requestinfo", "deploy/strictyaml",
		"k8s.io/api", "k8s.io/apimachinery", "k8s.io/client-go", "go.yaml.in/yaml/v3", "golang.org/x"}, why: "it asks services about callers and requests"},
	{folder: "bridge/access/expr", may: []string{"deploy/nearest", "github.com/google/cel-go"}, why: "it evaluates expressions, whatever they are about"},
	{folder: "bridge/audit", may: []string{"deploy/reload", "bridge/audit/sink", "bridge/audit/jetstream", "bridge/answer", "bridge/store", "subjects", "deploy/requestinfo", "deploy/strictyaml", "github.com/prometheus/client_golang", "go.yaml.in/yaml/v3"}, why: "it writes down what a record says, and knows neither grants nor streams"},
	{folder: "bridge/audit/audittest", may: []string{"github.com/santhosh-tekuri/jsonschema/v6"}, why: "it reads events as other programs do; tests import it"},
	{folder: "bridge/audit/jetstream", may: []string{"bridge/internal/sleep", "deploy/reload", "github.com/nats-io/jwt/v2", "bridge/store", "subjects", "subjects/natslink", "deploy/strictyaml", "github.com/nats-io/nats.go", "github.com/nats-io/nkeys", "go.yaml.in/yaml/v3"}, why: "it publishes lines, whatever they say"},
	{folder: "bridge/audit/sink", may: []string{"golang.org/x/sys"}, why: "it keeps lines, whatever they say"},
	{folder: "bridge/access/oidc", may: []string{"subjects/cause", "subjects/cause/classify", "subjects/natslink/dial/proxy", "deploy/tracing/span", "deploy/redact", "bridge/access", "bridge/access/expr", "bridge/answer", "subjects", "deploy/reload", "deploy/strictyaml", "github.com/coreos/go-oidc/v3", "github.com/go-jose/go-jose/v4", "github.com/google/cel-go", "go.yaml.in/yaml/v3", "golang.org/x/time"}, why: "it knows ID tokens and their issuers"},
	{folder: "bridge/access/approval", may: []string{"bridge/access", "subjects"}, why: "it keeps what callers ask of each other, and knows no grants"},
	{folder: "bridge/access/approval/bucket", may: []string{"bridge/access/approval", "bridge/store", "subjects", "github.com/nats-io/nats.go"}, why: "it keeps access requests in JetStream, and knows no HTTP"},
	{folder: "bridge/access/policy", may: []string{"subjects/natslink/dial/proxy", "deploy/tracing/span", "bridge/access", "bridge/access/approval", "bridge/access/clientcert", "bridge/access/grant", "bridge/access/limit", "bridge/access/oidc", "bridge/access/webhook", "bridge/answer", "bridge/audit", "bridge/audit/jetstream", "bridge/record", "subjects", "deploy/reload", "deploy/strictyaml", "go.yaml.in/yaml/v3", "golang.org/x/sys"}, why: "it puts the parts of the access file together"},
	{folder: "bridge/access/lint", may: []string{"bridge/access", "bridge/access/expr", "bridge/access/grant", "bridge/access/oidc", "bridge/access/policy", "bridge/access/webhook", "deploy/nearest", "deploy/requestinfo", "deploy/strictyaml"}, why: "it reads what the access file says, and decides about nobody"},
	{folder: "bridge/access/limit", may: []string{"bridge/answer", "subjects", "deploy/strictyaml", "github.com/prometheus/client_golang", "go.yaml.in/yaml/v3"}, why: "it counts requests, and knows neither HTTP nor grants"},
	{folder: "bridge/events", may: []string{"bridge/api", "bridge/internal/sleep", "bridge/store", "subjects", "github.com/nats-io/nats.go", "github.com/prometheus/client_golang"}, why: "it keeps what happened, and knows neither callers nor who saw it"},
	{folder: "bridge/events/webhook", may: []string{"bridge/access", "bridge/events", "bridge/internal/sleep", "bridge/store", "bridge/store/kv", "bridge/store/lease", "deploy/reload", "deploy/strictyaml", "subjects", "subjects/natslink/dial/proxy", "github.com/prometheus/client_golang", "go.yaml.in/yaml/v3"}, why: "it sends what happened, and knows neither callers nor clusters"},
	{folder: "bridge/events/feed", may: []string{"bridge/access", "bridge/answer", "bridge/api", "bridge/events", "bridge/platform/endpoint", "bridge/store", "bridge/tunnel/socket", "subjects", "github.com/prometheus/client_golang"}, why: "it serves what happened, and asks no cluster"},
	{folder: "bridge/operations", may: []string{"bridge/access", "bridge/answer", "bridge/api", "bridge/call", "bridge/directory", "bridge/events", "bridge/internal/sleep", "bridge/platform/endpoint", "bridge/store", "bridge/store/kv", "bridge/store/lease", "bridge/tenant", "subjects", "deploy/requestinfo", "github.com/prometheus/client_golang", "go.yaml.in/yaml/v3"}, why: "it reaches clusters through package call only"},
	{folder: "bridge/mint", may: []string{"github.com/nats-io/jwt", "github.com/nats-io/nkeys"}, why: "it makes credentials, and connects to nothing"},
	{folder: "bridge/settings", may: []string{"bridge/access", "bridge/answer", "bridge/api", "bridge/directory", "bridge/events", "bridge/platform/endpoint", "bridge/store", "bridge/store/kv", "bridge/tenant", "subjects", "subjects/settings", "github.com/prometheus/client_golang"}, why: "it says what is set, and makes no requests of clusters"},
	{folder: "bridge/store", may: []string{"bridge/mint", "subjects", "subjects/cause", "subjects/natslink", "subjects/natslink/reach", "github.com/nats-io", "github.com/prometheus/client_golang"}, why: "it knows where bridges keep what they share, and not what that is"},
	{folder: "bridge/store/kv", may: []string{"bridge/store", "github.com/nats-io/nats.go"}, why: "it keeps values, whatever they are"},
	{folder: "bridge/store/lease", may: []string{"bridge/internal/sleep", "bridge/store", "bridge/store/kv"}, why: "it lets one bridge work, whatever the work is"},
	{folder: "bridge/tunnel", may: []string{"bridge/tunnel/...", "bridge/access/limit", "bridge/answer", "bridge/tenant", "bridge/directory", "subjects", "subjects/stream", "deploy/requestinfo", "golang.org/x", "k8s.io/apimachinery"}, why: "it carries requests, and knows neither callers nor grants"},
	{folder: "bridge/access/grant", may: []string{"bridge/access", "bridge/access/expr", "bridge/access/limit", "bridge/answer", "subjects", "deploy/nearest", "deploy/requestinfo", "deploy/strictyaml", "github.com/google/cel-go", "go.yaml.in/yaml/v3"}, why: "it decides by a file of grants, and asks nobody"},
	{folder: "bridge/watch", may: []string{"bridge/access", "bridge/answer", "bridge/api", "bridge/call", "bridge/directory", "bridge/internal/sleep", "bridge/inventory", "bridge/ndjson", "bridge/platform/endpoint", "bridge/tenant", "bridge/tunnel", "bridge/tunnel/socket", "subjects", "golang.org/x/sync"}, why: "it reaches clusters by package call, as anybody"},
	{folder: "bridge/fleet", may: []string{"bridge/access", "bridge/answer", "bridge/api", "bridge/call", "bridge/directory", "bridge/inventory", "bridge/ndjson", "bridge/platform/endpoint", "bridge/tenant", "bridge/tunnel", "bridge/tunnel/socket", "subjects", "golang.org/x"}, why: "it asks clusters by package call, as anybody"},
	{folder: "bridge/ndjson", may: []string{"bridge/answer"}, why: "it writes lines, whatever they say"},
	{folder: "bridge/tunnel/hop", may: []string{"bridge/answer", "subjects", "deploy/tracing/span", "go.opentelemetry.io/otel/attribute", "go.opentelemetry.io/otel/semconv"}, why: "it says what a trace knows of the way to an agent, and carries nothing"},
	{folder: "bridge/tunnel/parting", may: []string{"bridge/answer", "bridge/record/wire", "k8s.io/apimachinery"}, why: "it speaks the protocols of clients, whatever carries them"},
	{folder: "bridge/tunnel/rbac", may: []string{"subjects", "deploy/requestinfo", "k8s.io/apimachinery"}, why: "it says what would allow a request, whoever made it"},
	{folder: "bridge/platform", may: []string{"bridge/access", "bridge/access/approval", "bridge/answer", "bridge/api", "bridge/platform/endpoint", "bridge/tunnel", "subjects", "deploy/nearest", "deploy/requestinfo", "go.yaml.in/yaml/v3", "golang.org/x", "k8s.io/apimachinery"}, why: "it reaches clusters through the tunnel only"},
	{folder: "bridge/inventory", may: []string{"bridge/access", "bridge/answer", "bridge/api", "bridge/directory", "bridge/events", "bridge/internal/sleep", "bridge/platform/endpoint", "bridge/store", "bridge/store/kv", "bridge/tenant", "bridge/tunnel", "deploy/nearest", "subjects", "subjects/cause", "k8s.io/apimachinery"}, why: "it says which clusters there are, and reaches none"},
	{folder: "bridge/call", may: []string{"bridge/access", "bridge/answer", "bridge/api", "bridge/platform/endpoint", "bridge/tunnel", "subjects", "golang.org/x"}, why: "requests of clusters are admitted by the door, and carried by the tunnel"},
	{folder: "bridge/requests", may: []string{"bridge/access", "bridge/answer", "bridge/api", "bridge/call", "bridge/ndjson", "bridge/platform/endpoint", "bridge/tunnel/socket"}, why: "it reaches clusters through package call only"},
	{folder: "bridge/apply", may: []string{"bridge/access", "bridge/answer", "bridge/api", "bridge/call", "bridge/internal/sleep", "bridge/ndjson", "bridge/platform/endpoint", "deploy/nearest", "go.yaml.in/yaml/v3", "k8s.io/apimachinery", "sigs.k8s.io/yaml"}, why: "it reaches clusters through package call only"},
	{folder: "bridge/platform/endpoint", may: []string{"bridge/answer", "deploy/nearest", "k8s.io/apimachinery"}, why: "routes of every part of the API are made of it"},
	{folder: "bridge/pullsecret", may: []string{"bridge/access", "bridge/answer", "bridge/api", "bridge/call", "bridge/fleet", "bridge/internal/sleep", "bridge/platform/endpoint", "bridge/pullsecret/dockerconfig", "golang.org/x/sync", "k8s.io/apimachinery"}, why: "it reaches clusters through package call only"},
	{folder: "bridge/pullsecret/dockerconfig", why: "it reads documents, and knows neither HTTP nor clusters"},
	{folder: "bridge/record", may: []string{"bridge/record/cast", "bridge/record/wire", "deploy/strictyaml", "github.com/prometheus/client_golang", "go.yaml.in/yaml/v3", "golang.org/x/sys"}, why: "it writes down sessions, and knows neither grants nor streams"},
	{folder: "bridge/record/cast", why: "a format of files, nothing else"},
	{folder: "bridge/record/vault", may: []string{"bridge/internal/sleep", "bridge/record", "bridge/store", "subjects", "github.com/nats-io/nats.go"}, why: "it keeps recordings in JetStream, and knows no protocol of theirs"},
	{folder: "bridge/record/wire", why: "it reads protocols, whatever carries them"},
	{folder: "bridge/doctor", may: []string{"subjects/natslink/reach", "bridge/access/oidc", "bridge/access/policy", "bridge/access/webhook", "bridge/answer", "bridge/mint", "bridge/store", "bridge/tenant", "deploy/diagnosis", "deploy/diagnosis/path",
		"subjects", "subjects/cause", "subjects/cause/classify", "subjects/natslink", "subjects/natslink/dial", "subjects/natslink/dial/proxy", "github.com/nats-io", "golang.org/x/sync"}, why: "it looks at what a bridge needs, and serves nothing"},
	{folder: "bridge/ui", may: []string{"bridge/access", "bridge/answer", "bridge/api", "bridge/events", "subjects"}, why: "it shows what the platform API tells its caller, and knows no clusters"},
	{folder: "bridge/front", may: []string{"github.com/pires/go-proxyproto", "golang.org/x"}, why: "it knows connections and their headers, nothing of requests"},
	{folder: "bridge/cmd", may: []string{"bridge/...", "broker", "subjects/...", "deploy/..."}, any: true, why: "the bridge may embed a broker"},
	{folder: "bridge/cmd/kubectl-fairlead", may: []string{"bridge/api", "bridge/client/...", "bridge/cmd/kubectl-fairlead/...", "github.com/coreos/go-oidc/v3", "github.com/spf13/cobra", "golang.org/x/oauth2", "golang.org/x/sys", "k8s.io/apimachinery", "k8s.io/client-go", "sigs.k8s.io/yaml"}, why: "it runs on people's computers, and knows the bridge's API only"},
	{folder: "bridge/cmd/kubectl-fairlead/profile", may: []string{"bridge/api", "k8s.io/apimachinery", "k8s.io/client-go"}, why: "it knows the types of the bridge's API, and how a hub is written to"},
	{folder: "bridge/cmd/kubectl-fairlead/terminal", may: []string{"golang.org/x/term", "k8s.io/client-go/tools/remotecommand"}, why: "it knows the user's terminal, nothing else"},
	{folder: "bridge/cmd/kubectl-fairlead/store", may: []string{"golang.org/x/sys"}, why: "it keeps files, and asks nobody"},
	{folder: "bridge/cmd/kubectl-fairlead/signin", may: []string{"github.com/coreos/go-oidc/v3", "golang.org/x/oauth2"}, why: "it knows issuers, and neither bridges nor files of ours"},
	{folder: "bench", may: []string{"bench/...", "agent/...", "broker/...", "bridge/...", "subjects/...", "deploy/...", "test/..."}, any: true},
	{folder: "test", may: []string{"test/..."}, any: true, why: "whole-system tests know the binaries only"},
}

func ruleFor(name string) (best rule, ok bool) {
	for _, r := range rules {
		if below(name, r.folder) && (!ok || len(r.folder) > len(best.folder)) {
			best, ok = r, true
		}
	}
	return best, ok
}

func below(path, folder string) bool { return path == folder || strings.HasPrefix(path, folder+"/") }

// breaks reports why a package under r may not import path.
func (r rule) breaks(path string) error {
	ours := within(path)
	if ours == "" {
		first, _, _ := strings.Cut(path, "/")
		standard := !strings.Contains(first, ".")
		if standard || r.any || slices.ContainsFunc(r.may, func(m string) bool { return below(path, m) }) {
			return nil
		}
	}
	for _, m := range r.may {
		if tree, all := strings.CutSuffix(m, "/..."); ours == m || all && below(ours, tree) {
			return nil
		}
	}
	return fmt.Errorf("must not import %s: %s", path, r.why)
}

// TestWhoMayImportWhom checks the boundaries of the architecture.
func TestWhoMayImportWhom(t *testing.T) {
	for _, p := range packages(t) {
		name := within(p.ImportPath)
		r, ok := ruleFor(name)
		if !ok {
			t.Errorf("%s: no rule says what it may import", name)
			continue
		}
		for _, path := range p.Imports {
			if err := r.breaks(path); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

// TestRulesBite shows that the rules above forbid what they should.
func TestRulesBite(t *testing.T) {
	for _, tt := range []struct {
		from, to string
		allowed  bool
	}{
		{"subjects", "fmt", true},
		{"subjects", "golang.org/x/net/http2", false},
		{"subjects", module + "/subjects/stream", false},
		{"subjects/stream", module + "/subjects", true},
		{"subjects/stream", "github.com/nats-io/nats.go", false},
		{"subjects/stream", module + "/subjects/natslink", false},
		{"subjects/stream", module + "/subjects/stream/internal/idset", true},
		{"subjects/stream/internal/idset", module + "/subjects/stream", false},
		{"subjects/natslink", "github.com/nats-io/nats.go", true},
		{"subjects/natslink", "github.com/nats-io/nats-server/v2/server", false},
		{"agent", module + "/broker", false},
		{"agent/cmd/fairlead-agent", module + "/broker", false},
		{"agent/cmd/fairlead-agent", module + "/agent", true},
		{"broker", module + "/bridge", false},
		{"broker", module + "/broker/keys", true},
		{"broker/keys", module + "/broker", false},
		{"broker/keys", module + "/broker/trust", false},
		{"broker/trust", module + "/broker", false},
		{"broker/trust", module + "/broker/keys", true},
		{"broker/keys", "github.com/nats-io/nats-server/v2/server", false},
		{"broker/keys", "github.com/nats-io/nats.go", true},
		{"bridge", module + "/broker", false},
		{"bridge/directory", module + "/broker", false},
		{"bridge/cmd/fairlead-bridge", module + "/broker", true},
		{"bridge/cmd/fairlead-bridge", module + "/agent", false},
		{"bridge/cmd/kubectl-fairlead", module + "/bridge/api", true},
		{"bridge/cmd/kubectl-fairlead", module + "/bridge/access", false},
		{"bridge/cmd/kubectl-fairlead", "github.com/nats-io/nats.go", false},
		{"agent", module + "/deploy/daemon", false},
		{"agent/cmd/fairlead-agent", module + "/deploy/daemon", true},
		{"broker", module + "/deploy/daemon", false},
		{"bridge/tenant", module + "/deploy/reload", true},
		{"deploy/reload", module + "/subjects", false},
		{"bridge/tunnel", "go.opentelemetry.io/otel/sdk/trace", false},
		{"agent/serve", module + "/deploy/tracing", false},
		{"agent/serve", module + "/deploy/tracing/span", true},
		{"test/e2e", module + "/bridge", false},
	} {
		r, ok := ruleFor(tt.from)
		if err := r.breaks(tt.to); !ok || (err == nil) != tt.allowed {
			t.Errorf("%s importing %s: %v, want allowed: %v", tt.from, tt.to, err, tt.allowed)
		}
	}
}

// TestAgentLinksNoServer: the agent runs in other people's clusters, so it must be
// small.
func TestAgentLinksNoServer(t *testing.T) {
	root, err := harness.Root()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("go", "list", "-deps", "./agent/cmd/fairlead-agent")
	cmd.Dir, cmd.Stderr = root, os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	for path := range strings.FieldsSeq(string(out)) {
		if strings.HasPrefix(path, "github.com/nats-io/nats-server/") || below(within(path), "broker") || below(within(path), "bridge") {
			t.Errorf("the agent links %s", path)
		}
	}
}

// TestEveryPackageSaysWhatItIsFor: a doc.go, or a main's own file.
func TestEveryPackageSaysWhatItIsFor(t *testing.T) {
	for _, p := range packages(t) {
		if len(p.GoFiles) == 0 {
			continue // tests only; their comment is in a test file or in doc.go
		}
		name := within(p.ImportPath)
		file := "doc.go"
		if !slices.Contains(p.GoFiles, file) {
			if !slices.Contains(p.GoFiles, "main.go") {
				t.Errorf("%s has no doc.go", name)
				continue
			}
			file = "main.go"
		}
		text, err := os.ReadFile(filepath.Join(p.Dir, file))
		if err != nil {
			t.Fatal(err)
		}
		before, _, _ := strings.Cut("\n"+string(text), "\npackage ")
		if !strings.Contains(before, "\n// ") && !strings.Contains(before, "\n/*") {
			t.Errorf("%s: %s has no comment on the package", name, file)
		}
	}
}
