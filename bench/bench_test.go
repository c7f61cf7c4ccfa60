package main

import (
	"bytes"
	"encoding/json"
	"math"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/fairlead-io/fairlead/bench/parts"
	"github.com/fairlead-io/fairlead/bench/rig"
	"github.com/fairlead-io/fairlead/test/harness/freeport"
)

// TestMain makes the test's executable usable as the benchmark's parts too.
func TestMain(m *testing.M) {
	if os.Getenv(rig.RoleEnv) != "" {
		main()
		return
	}
	goleak.VerifyTestMain(m,
		// The harness pins one goroutine to a thread for the program's life:
		// the kernel ends children whose starting thread ends.
		goleak.IgnoreAnyFunction("github.com/fairlead-io/fairlead/test/harness.startOnOneThread"),
	)
}

// TestQuick runs a short benchmark with everything in it.
func TestQuick(t *testing.T) {
	if testing.Short() {
		t.Skip("builds and starts all binaries")
	}
	file := filepath.Join(t.TempDir(), "r.json")
	upstream, err := freeport.Address()
	if err != nil {
		t.Fatal(err)
	}
	peer := httptest.NewServer(parts.NewProxy(&url.URL{Scheme: "http", Host: upstream}, nil))
	defer peer.Close()
	var out, progress bytes.Buffer
	err = run(t.Context(), []string{
		"-quick", "-wss", "-identity", "-tracing", "-json", file, "-upstream-listen", upstream, "-peer", "other=" + peer.URL,
	}, &out, &progress)
	if err != nil {
		t.Fatalf("run: %v\nprogress was:\n%s", err, &progress)
	}

	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var r Report
	if err := json.Unmarshal(b, &r); err != nil {
		t.Fatalf("-json did not write JSON: %v", err)
	}
	if want := []string{rig.Direct, rig.Proxy, rig.Tunnel, rig.Identity, rig.LongToken, rig.Traced1, rig.Traced100, rig.WSS, "other", rig.NATS, rig.Streams, rig.DirectTLS, rig.ProxyTLS, rig.TunnelTLS}; !slices.Equal(r.Targets, want) {
		t.Errorf("targets are %v, expected %v", r.Targets, want)
	}
	ours := []string{rig.Tunnel, rig.Identity, rig.LongToken, rig.Traced1, rig.Traced100, rig.WSS, rig.TunnelTLS}
	for _, f := range r.Figures {
		for _, target := range append(ours, rig.Direct, rig.Proxy, "other", rig.DirectTLS, rig.ProxyTLS) {
			if (f.Name == cpuc64 || f.Name == cpuPaced) && (target == rig.Direct || target == rig.DirectTLS || target == "other") {
				continue // there is no process in between, or none whose id is known
			}
			if (f.Name == cpuBridge || f.Name == cpuAgent) && !slices.Contains(ours, target) {
				continue
			}
			if v := f.Targets[target].Median; !(v > 0) && f.Name != cancelTime {
				t.Errorf("%s of %s is %v, expected a positive figure", f.Name, target, v)
			}
		}
	}
	for _, name := range []string{p50c1, ratec16, ratec64, cpuc64, down1, down4} {
		for _, target := range []string{rig.NATS, rig.Streams} {
			if v := r.figure(name).Targets[target].Median; !(v > 0) {
				t.Errorf("%s of %s is %v, expected a positive figure", name, target, v)
			}
		}
	}
	var numbers []int
	for _, a := range r.Aims {
		numbers = append(numbers, a.Number)
	}
	if got := slices.Compact(numbers); !slices.Equal(got, []int{1, 2, 3, 4, 5, 6, 7, 8, 9}) {
		t.Errorf("aims measured are %v, expected 1 to 9", got)
	}
	if len(r.Memory) != 3 {
		t.Errorf("memory of %d kinds was read, expected 3: %+v", len(r.Memory), r.Memory)
	}

	for _, want := range []string{"| tunnel |", "### Aims", "| direct-tls | proxy-tls | tunnel-tls |"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the report lacks %q:\n%s", want, &out)
		}
	}
}

// Results are replaced, prose is kept, and a file without marks is left alone.
func TestReplaceResults(t *testing.T) {
	path := filepath.Join(t.TempDir(), "README.md")
	write := func(s string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(s), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("kept before\n" + beginMark(resultsSection) + "old\n" + endMark(resultsSection) + "kept after\n")
	if err := replaceSection(path, resultsSection, "new\n"); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if want := "kept before\n" + beginMark(resultsSection) + "\nnew\n\n" + endMark(resultsSection) + "kept after\n"; err != nil || string(b) != want {
		t.Errorf("file is %q, error %v; expected %q", b, err, want)
	}
	write("prose\n")
	if err := replaceSection(path, resultsSection, "new"); err == nil {
		t.Error("a file without marks was accepted")
	}
}

func TestOptionsAtFaultAreNamed(t *testing.T) {
	for _, tc := range []struct{ args, want string }{
		{"-rounds 0", "-rounds"},
		{"-round 1ms", "-round"},
		{"-watches -1", "-watches"},
		{"-idle-agents 5", "-idle-agents"},
		{"-idle-blocks 0", "-idle-blocks"},
		{"-peer chisel", "-peer"},
		{"-peer proxy=http://127.0.0.1:1", "taken"},
		{"-peer-pids chisel=1", "-peer-pids"},
		{"-kubeconfig x", "-kube"},
		{"extra", "extra"},
	} {
		var printed bytes.Buffer
		_, err := parseOptions(strings.Fields(tc.args), &printed)
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: error is %v, expected one that names %s", tc.args, err, tc.want)
		}
	}
	o, err := parseOptions(strings.Fields("-peer a=http://127.0.0.1:1/x -peer-pids a=3,4"), &bytes.Buffer{})
	if err != nil || len(o.peers) != 1 || !slices.Equal(o.peers[0].PIDs, []int{3, 4}) {
		t.Errorf("peers are %+v, error %v", o.peers, err)
	}
}

func TestSpread(t *testing.T) {
	got := spreadOf(Samples{5, 1, math.NaN(), 3, 2, 4})
	if want := (Spread{Median: 3, Low: 2, High: 4}); got != want {
		t.Errorf("spread is %+v, expected %+v", got, want)
	}
	if !math.IsNaN(spreadOf(nil).Median) {
		t.Error("the median of nothing is a number")
	}
	ratio := pair(Samples{2, 9, 1}, Samples{1, 3, 0}, quotient)
	if ratio[0] != 2 || ratio[1] != 3 || !math.IsNaN(ratio[2]) {
		t.Errorf("ratios are %v, expected 2, 3 and none", ratio)
	}
}

// A figure that could not be read in one round does not spoil the report.
func TestSamplesAsJSON(t *testing.T) {
	b, err := json.Marshal(Samples{1.5, math.NaN(), 0})
	if err != nil || string(b) != "[1.5,null,0]" {
		t.Errorf("JSON is %s, error %v", b, err)
	}
}

// The verdict says by how much an aim was missed.
func TestAimVerdict(t *testing.T) {
	for _, tc := range []struct {
		aim  Aim
		want string
	}{
		{Aim{Value: 1.5, Bound: 1.6}, "met"},
		{Aim{Value: 2.0, Bound: 1.6}, "missed by 25 %"},
		{Aim{Value: 0.9, Bound: 0.8, AtLeast: true}, "met"},
		{Aim{Value: 0.6, Bound: 0.8, AtLeast: true}, "missed by 25 %"},
		{Aim{Value: 0.1297, Bound: 0.13, AtLeast: true}, "missed by less than 1 %"},
	} {
		if got := tc.aim.verdict(); got != tc.want {
			t.Errorf("%+v: %q, expected %q", tc.aim, got, tc.want)
		}
	}
}

// A run with -quick says that it judges nothing.
func TestQuickHasNoVerdicts(t *testing.T) {
	r := Report{Aims: []Aim{{Number: 1, What: "a figure", Value: 0.6, Bound: 0.8, AtLeast: true}}}
	if text := r.markdown(); !strings.Contains(text, "missed by 25 %") || strings.Contains(text, "-quick") {
		t.Errorf("a whole run has no verdict, or calls itself quick:\n%s", text)
	}
	r.Quick = true
	if text := r.markdown(); strings.Contains(text, "missed by") || !strings.Contains(text, "too short to judge by") {
		t.Errorf("a quick run judges:\n%s", text)
	}
}

func TestUnknownRoleIsRefused(t *testing.T) {
	err := parts.Run(t.Context(), "nobody", nil, parts.IO{In: strings.NewReader(""), Out: &bytes.Buffer{}})
	if err == nil || !strings.Contains(err.Error(), "nobody") {
		t.Errorf("error is %v, expected one that names the role", err)
	}
}
