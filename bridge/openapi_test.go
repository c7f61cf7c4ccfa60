package bridge

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"gopkg.in/yaml.v3"

	"github.com/fairlead-io/fairlead/bridge/internal/openapitest"
	"github.com/fairlead-io/fairlead/bridge/platform/endpoint"
)

// described is platform/openapi.yaml, for all rigs.
var described = sync.OnceValue(func() *openapitest.Document {
	text, err := os.ReadFile("platform/openapi.yaml")
	if err != nil {
		panic(err)
	}
	doc, err := openapitest.Load(text)
	if err != nil {
		panic("platform/openapi.yaml: " + err.Error())
	}
	return doc
})

// unseen are the described responses that no test of this package gets, and why.
var unseen = map[string]string{}

// everyResponse runs the tests and then, if it was all of them and all passed, wants them
// to have seen every described response.
type everyResponse struct{ *testing.M }

func (m everyResponse) Run() int {
	atOnce()
	code := m.M.Run()
	for _, name := range []string{"run", "skip", "list", "fuzz", "bench"} {
		if f := flag.Lookup("test." + name); f != nil && f.Value.String() != "" {
			return code
		}
	}
	if code != 0 || testing.Short() {
		return code
	}
	for _, fault := range described().Unseen(unseen) {
		fmt.Fprintln(os.Stderr, "platform/openapi.yaml:", fault)
		code = 1
	}
	return code
}

// atOnce lets twice as many tests run at once as there are processors, as most of them
// wait for something most of the time. -parallel says otherwise. Tests that measure times
// or memory, or need a processor for long, are not parallel: they run before the others,
// one by one.
func atOnce() {
	const name = "test.parallel"
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == name })
	if !given {
		_ = flag.Set(name, strconv.Itoa(2*runtime.GOMAXPROCS(0)))
	}
}

// TestOpenAPIHasEveryRoute: the description has what is served, and nothing else.
func TestOpenAPIHasEveryRoute(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("platform/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var doc struct{ Paths map[string]map[string]any }
	if err := yaml.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	routes := newRig(t, rigOptions{}).server.platform.Routes()
	for _, rt := range routes {
		if doc.Paths[rt.Path][strings.ToLower(rt.Method)] == nil {
			t.Errorf("openapi.yaml lacks %s %s", rt.Method, rt.Path)
		}
		if at, ok := rt.Match(rt.Path); !ok || strings.Contains(rt.Path, "{") == (at == endpoint.Place{}) {
			t.Errorf("%s: %+v, %v", rt.Path, at, ok)
		}
	}
	for _, rt := range routes {
		delete(doc.Paths, rt.Path)
	}
	delete(doc.Paths, "/k8s/clusters/{cluster}/{path}")
	if len(doc.Paths) > 0 {
		t.Errorf("openapi.yaml has paths that are not served: %v", slices.Collect(maps.Keys(doc.Paths)))
	}
}
