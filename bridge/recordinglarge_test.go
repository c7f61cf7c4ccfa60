package bridge

import (
	"bytes"
	"crypto/sha256"
	"hash"
	"io"
	"math/rand"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/tools/remotecommand"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/bridge/record"
	"github.com/fairlead-io/fairlead/bridge/record/cast"
)

// TestLargeSessions: 50 MB of a terminal's output and of any bytes are recorded as they
// are, and take no more than 10 times as long as without a recording, and 10 s: lines
// take about as long, random bytes 2 to 5 times on a busy machine. With race detection
// the time does not count.
func TestLargeSessions(t *testing.T) {
	if testing.Short() {
		t.Skip("records 100 MB")
	}
	size := 50_000_000
	if raceEnabled {
		size = 10_000_000
	}
	random := make([]byte, size)
	_, _ = rand.New(rand.NewSource(1)).Read(random)
	lines := bytes.Repeat([]byte("drwxr-xr-x 2 root root 4096 \x1b[01;34mcaf\u00e9\x1b[0m\r\n"), size/46)
	for protocol, text := range map[string][]byte{"spdy": random, "v5.channel.k8s.io": lines} {
		t.Run(protocol, func(t *testing.T) {
			r := newRecorded(t, record.Config{}, func(p pod) {
				for chunk := range slices.Chunk(text, 32<<10) { // as a container runtime copies it
					if n, err := p.stdout.Write(chunk); err != nil {
						t.Errorf("the command could write %d bytes of a chunk: %v", n, err)
						return
					}
				}
			})
			took := r.run(t, protocol, text)
			r.eventually("the session is in the index", func() bool { return len(r.sessions(t)) == 1 })
			if e := r.sessions(t)[0]; r.sum(t, e.File) != sha256.Sum256(text) {
				t.Errorf("the recording has other bytes than the client: %+v", e)
			}
			rules := *r.server.door.Rules()
			rules.Authorizer = access.TokenClusters{}
			r.server.door.Rules = access.Fixed(rules)
			plain := r.run(t, protocol, text)
			t.Logf("%v, without a recording %v", took, plain)
			if !raceEnabled && took > 10*plain+10*time.Second {
				t.Errorf("%v with a recording, %v without", took, plain)
			}
		})
	}
}

// run executes the command, and compares what the client got.
func (r *recorded) run(t *testing.T, protocol string, want []byte) time.Duration {
	t.Helper()
	var got bytes.Buffer
	got.Grow(len(want) + bytes.MinRead)
	start := time.Now()
	err := r.executor(t, protocol, strings.Replace(shell, "&stdin=true", "", 1)).StreamWithContext(t.Context(), remotecommand.StreamOptions{
		Stdout: &got, Stderr: io.Discard,
	})
	took := time.Since(start)
	if b := got.Bytes(); err != nil || !bytes.Equal(b, want) {
		same := 0
		for same < min(len(b), len(want)) && b[same] == want[same] {
			same++
		}
		t.Errorf("of %d bytes that the command wrote, the client got %d, of which the first %d are right: %v", len(want), len(b), same, err)
	}
	return took
}

func sumOf(h hash.Hash) (sum [sha256.Size]byte) {
	h.Sum(sum[:0])
	return sum
}

// sum is that of the output in a recording.
func (r *recorded) sum(t *testing.T, file string) [sha256.Size]byte {
	t.Helper()
	f, err := os.Open(filepath.Join(r.dir, file))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	reader, err := cast.NewReader(f, nil)
	if err != nil {
		t.Fatal(err)
	}
	h := sha256.New()
	if err := record.Play(reader, h, 1e9, 0, func(time.Duration) error { return nil }); err != nil {
		t.Fatal(err)
	}
	return sumOf(h)
}
