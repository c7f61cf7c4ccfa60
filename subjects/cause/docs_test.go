package cause

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

//go:generate go test -run TestTroubleshooting -update .

var update = flag.Bool("update", false, "write docs/troubleshooting.md instead of comparing it")

const (
	page       = "../../docs/troubleshooting.md"
	pageMarker = "<!-- causes: written by 'go generate ./subjects/cause' from the catalogue; do not edit below -->\n"
)

// TestTroubleshooting keeps docs/troubleshooting.md in step with the catalogue. What
// stands before the marker is written by hand.
func TestTroubleshooting(t *testing.T) {
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	intro, old, ok := strings.Cut(string(text), pageMarker)
	if !ok {
		t.Fatalf("%s has no line %q", page, pageMarker)
	}
	causes := renderCauses()
	if causes == old {
		return
	}
	if !*update {
		t.Fatalf("%s does not match the catalogue: run 'go generate ./subjects/cause'", page)
	}
	if err := os.WriteFile(page, []byte(intro+pageMarker+causes), 0o644); err != nil {
		t.Fatal(err)
	}
}

// steps says of each hop what is done there.
var steps = map[Hop]string{
	DNS: "resolve a name", TCP: "connect to an address", Proxy: "have a forward proxy connect", TLS: "agree on TLS, and verify certificates",
	HTTPUpgrade: "turn an HTTP request into a WebSocket", NATS: "speak the protocol of NATS", JWT: "have the credentials accepted",
	Permission: "use the subjects of the role", Kubernetes: "reach and use the API server",
}

// renderCauses is a section for each hop, with the causes that usually occur there. The
// headings make the anchors.
func renderCauses() string {
	var b strings.Builder
	for _, hop := range Hops() {
		fmt.Fprintf(&b, "\n## Hop %s: %s\n", hop, steps[hop])
		for _, c := range Catalogue() {
			if c.Hops[0] == hop && c.ID != Unknown {
				renderCause(&b, &c)
			}
		}
	}
	b.WriteString("\n## At any hop\n")
	renderCause(&b, Unknown.Info())
	return b.String()
}

func renderCause(b *strings.Builder, c *Info) {
	fmt.Fprintf(b, "\n### %s\n\n**%s.**", c.ID, strings.ToUpper(c.Title[:1])+c.Title[1:])
	if others := c.Hops[1:]; len(others) > 0 && c.ID != Unknown {
		names := make([]string, len(others))
		for i, h := range others {
			names[i] = string(h)
		}
		fmt.Fprintf(b, " Also at: %s.", strings.Join(names, ", "))
	}
	fmt.Fprintf(b, "\n\n* Looks like: `%s`\n* Means: %s\n* Do: %s\n", c.Looks, c.Means, c.Do)
}
