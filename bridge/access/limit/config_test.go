package limit

import (
	"strings"
	"testing"

	"github.com/fairlead-io/fairlead/deploy/strictyaml"
)

func TestConfig(t *testing.T) {
	var c Config
	err := strictyaml.Unmarshal([]byte(`
bridges: 3
caller: {requestsPerSecond: 50, burst: 100, concurrentRequests: 100, streams: 20, bytesPerSecond: 50MiB}
cluster: {requestsPerSecond: 0.5, bytesPerSecond: 400 MB}
`), &c)
	want := Config{
		Bridges: 3,
		Caller:  Limits{RequestsPerSecond: 50, Burst: 100, ConcurrentRequests: 100, Streams: 20, BytesPerSecond: 50 << 20},
		Cluster: Limits{RequestsPerSecond: .5, BytesPerSecond: 400e6},
	}
	if err != nil || c != want {
		t.Errorf("%+v, %v, want %+v", c, err, want)
	}
}

// Each fault has its line, and nothing that means no limit passes for one.
func TestConfigFaults(t *testing.T) {
	for text, want := range map[string]string{
		"bridges: 0":                                     "line 1: want a whole number from 1",
		"caller:\n  requestsPerSecond: 0":                "line 2: want a number of requests a second",
		"caller:\n  requestsPerSecond: -1":               "line 2: want a number of requests a second",
		"caller:\n  requestsPerSecond: NaN":              "line 2: want a number of requests a second",
		"caller:\n  requestsPerSecond: .inf":             "line 2: want a number of requests a second",
		"caller:\n  requestsPerSecond: fast":             "line 2: want a number of requests a second",
		"caller:\n  burst: 5":                            "line 2: burst: it needs requestsPerSecond",
		"caller:\n  streams: 1.5":                        "line 2: want a whole number from 1",
		"cluster:\n  concurrentRequests: 0":              "line 2: want a whole number from 1",
		"cluster:\n  concurrentRequests: [1]":            "line 2: want a whole number from 1",
		"cluster:\n  streams: 1\n  bytesPerSecond: 50":   "line 3: want a number of bytes a second",
		"cluster:\n  streams: 1\n  bytesPerSecond: 5TB":  "line 3: want a number of bytes a second",
		"cluster:\n  streams: 1\n  bytesPerSecond: MiB":  "line 3: want a number of bytes a second",
		"cluster:\n  streams: 1\n  bytesPerSecond: NaN":  "line 3: want a number of bytes a second",
		"cluster:\n  streams: 1\n  bytesPerSecond: 2TiB": "line 3: want a number of bytes a second",
		"cluster:\n  requests: 1":                        `line 2: unknown key "requests"`,
		"tenant: {streams: 1}":                           `line 1: unknown key "tenant"`,
		"caller: {streams: 1}\ncaller: {streams: 2}":     "line 2: ",
		"caller: {streams: 1, streams: 2}":               "line 1: ",
		"caller: {streams: 1}\ncluster:":                 `line 2: key "cluster" has no value`,
		"caller:\n  streams:\n":                          `line 2: key "streams" has no value`,
	} {
		var c Config
		if err := strictyaml.Unmarshal([]byte(text), &c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

func TestBytesAsText(t *testing.T) {
	for b, want := range map[Bytes]string{50 << 20: "50MiB", 1 << 30: "1GiB", 1 << 10: "1KiB", 1500: "1500B"} {
		if got := b.String(); got != want {
			t.Errorf("%d is written %q, want %q", int64(b), got, want)
		}
	}
}
