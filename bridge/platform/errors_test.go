package platform

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/fairlead-io/fairlead/bridge/answer"
)

var update = flag.Bool("update", false, "write docs/errors.md")

// TestErrorsPage: docs/errors.md lists every type of problem, with what openapi.yaml says
// of it. With -update it is written.
func TestErrorsPage(t *testing.T) {
	var b strings.Builder
	b.WriteString(errorsIntro)
	for _, k := range answer.Kinds() {
		if k == answer.ClientGone {
			continue // no client gets it
		}
		m := regexp.MustCompile(fmt.Sprintf(`(?m)^\s*\| %s \| %d \| (.*) \|$`, k.Code, k.Status)).FindStringSubmatch(string(openAPI))
		if m == nil {
			t.Fatalf("openapi.yaml has no row of %s", k.Code)
		}
		retry := ""
		switch {
		case k.Retry > 0 && k.Lasting:
			retry = fmt.Sprintf("body: %d s", int(k.Retry.Seconds()))
		case k.Retry > 0:
			retry = fmt.Sprintf("header: %d s", int(k.Retry.Seconds()))
		}
		fmt.Fprintf(&b, "| `urn:fairlead:error:%s` | %d | %s | %s | %s |\n", k.Code, k.Status, k.Title, m[1], retry)
	}
	const file = "../../docs/errors.md"
	if *update {
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	is, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(is) != b.String() {
		t.Error("docs/errors.md is not that of answer.Kinds and openapi.yaml: go test ./bridge/platform -run TestErrorsPage -update")
	}
}

const errorsIntro = `# Errors

Whatever the bridge itself refuses or cannot do below ` + "`/v1`" + ` is answered with a problem document (RFC 9457,
` + "`application/problem+json`" + `). Its ` + "`type`" + ` is stable: programs decide by it, or by ` + "`code`" + `, which is its end. ` + "`title`" + ` and
` + "`detail`" + ` are for people and may change. Below ` + "`/k8s`" + ` the code is in ` + "`details.causes[0].reason`" + ` of a Kubernetes Status, and
everywhere in the header ` + "`Fairlead-Error`" + `. The Go client has [a name for each](go-client.md#errors).

"Header" in the last column means that ` + "`Retry-After`" + ` says when to try again, because the cause passes soon and nothing was
executed; "body" that only ` + "`retryAfterSeconds`" + ` does. The figures are the usual ones.

| type | status | title | meaning | try again |
|---|---|---|---|---|
`
