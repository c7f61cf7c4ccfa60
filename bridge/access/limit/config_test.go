package limit

import (
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
		"bridges: 0":                                     `line 1: bridges: want a whole number from 1 to 1000000, not "0"; without the key there is no limit`,
		"caller:\n  requestsPerSecond: 0":                `line 2: caller.requestsPerSecond: want a number of requests a second, such as 50 or 0.5, of at most 1000000, not "0"; without the key there is no limit`,
		"caller:\n  requestsPerSecond: -1":               `line 2: caller.requestsPerSecond: want a number of requests a second, such as 50 or 0.5, of at most 1000000, not "-1"; without the key there is no limit`,
		"caller:\n  requestsPerSecond: NaN":              `line 2: caller.requestsPerSecond: want a number of requests a second, such as 50 or 0.5, of at most 1000000, not "NaN"; without the key there is no limit`,
		"caller:\n  requestsPerSecond: .inf":             `line 2: caller.requestsPerSecond: want a number of requests a second, such as 50 or 0.5, of at most 1000000, not ".inf"; without the key there is no limit`,
		"caller:\n  requestsPerSecond: fast":             `line 2: caller.requestsPerSecond: want a number of requests a second, such as 50 or 0.5, of at most 1000000, not "fast"; without the key there is no limit`,
		"caller:\n  burst: 5":                            "line 2: caller.burst: it needs requestsPerSecond",
		"caller:\n  streams: 1.5":                        `line 2: caller.streams: want a whole number from 1 to 1000000, not "1.5"; without the key there is no limit`,
		"cluster:\n  concurrentRequests: 0":              `line 2: cluster.concurrentRequests: want a whole number from 1 to 1000000, not "0"; without the key there is no limit`,
		"cluster:\n  concurrentRequests: [1]":            `line 2: cluster.concurrentRequests: want a whole number from 1 to 1000000, not ""; without the key there is no limit`,
		"cluster:\n  streams: 1\n  bytesPerSecond: 50":   `line 3: cluster.bytesPerSecond: want a number of bytes a second, such as 50MiB (KiB, MiB, GiB, kB, MB, GB), of 1KiB to 1TiB, not "50"; without the key there is no limit`,
		"cluster:\n  streams: 1\n  bytesPerSecond: 5TB":  `line 3: cluster.bytesPerSecond: want a number of bytes a second, such as 50MiB (KiB, MiB, GiB, kB, MB, GB), of 1KiB to 1TiB, not "5TB"; without the key there is no limit`,
		"cluster:\n  streams: 1\n  bytesPerSecond: MiB":  `line 3: cluster.bytesPerSecond: want a number of bytes a second, such as 50MiB (KiB, MiB, GiB, kB, MB, GB), of 1KiB to 1TiB, not "MiB"; without the key there is no limit`,
		"cluster:\n  streams: 1\n  bytesPerSecond: NaN":  `line 3: cluster.bytesPerSecond: want a number of bytes a second, such as 50MiB (KiB, MiB, GiB, kB, MB, GB), of 1KiB to 1TiB, not "NaN"; without the key there is no limit`,
		"cluster:\n  streams: 1\n  bytesPerSecond: 2TiB": `line 3: cluster.bytesPerSecond: want a number of bytes a second, such as 50MiB (KiB, MiB, GiB, kB, MB, GB), of 1KiB to 1TiB, not "2TiB"; without the key there is no limit`,
		"cluster:\n  requests: 1":                        `line 2: cluster: unknown key "requests": did you mean "requestsPerSecond"?`,
		"tenant: {streams: 1}":                           `line 1: unknown key "tenant"; known are bridges, caller, cluster`,
		"caller: {streams: 1}\ncaller: {streams: 2}":     `line 2: key "caller" stands twice`,
		"caller: {streams: 1, streams: 2}":               `line 1: caller: key "streams" stands twice`,
		"caller: {streams: 1}\ncluster:":                 `line 2: key "cluster" has no value`,
		"caller:\n  streams:\n":                          `line 2: caller: key "streams" has no value`,
	} {
		var c Config
		if err := strictyaml.Unmarshal([]byte(text), &c); err == nil || err.Error() != want {
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
