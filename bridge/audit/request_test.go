package audit

import (
	"bytes"
	"log/slog"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/audit/audittest"
)

// memory is a sink in memory.
type memory struct{ bytes.Buffer }

func (m *memory) Write(lines []byte, _ bool) error {
	_, err := m.Buffer.Write(lines)
	return err
}

func (m *memory) Tick(time.Time) error { return nil }

func (m *memory) Close() error { return nil }

// Without reads, what reads and succeeds has no events, except of Secrets; all that
// fails or changes something has.
func TestReadsCanBeLeftOut(t *testing.T) {
	for _, tt := range []struct {
		method, target, upgrade string
		status                  int
		failure                 *answer.Kind
		want                    bool
	}{
		{"GET", "/api/v1/namespaces/a/pods/b", "", 200, nil, false},
		{"GET", "/api/v1/pods?watch=1", "", 200, nil, false},
		{"HEAD", "/version", "", 200, nil, false},
		{"GET", "/api/v1/namespaces/a/pods/b", "", 403, nil, true},
		{"GET", "/api/v1/namespaces/a/pods/b", "", 503, answer.Offline, true},
		{"GET", "/api/v1/namespaces/a/secrets/b", "", 200, nil, true},
		{"GET", "/api/v1/namespaces/a/pods/b/exec?command=sh", "", 200, nil, true},
		{"GET", "/api/v1/pods?watch=1", "websocket", 101, nil, true},
		{"GET", "/api/v1/namespaces/a/services/b/proxy/x", "", 200, nil, true},
		{"POST", "/api/v1/namespaces/a/pods", "", 201, nil, true},
		{"GET", "", "", 200, nil, false}, // of the bridge itself
		{"POST", "", "", 200, nil, true},
	} {
		out := &memory{}
		no := false
		l, err := NewLog(Config{Reads: &no}, []Output{{"memory", out}}, slog.New(slog.DiscardHandler), nil)
		if err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequest(tt.method, "/v1/x", nil)
		if tt.upgrade != "" {
			r.Header.Set("Upgrade", tt.upgrade)
		}
		rec := &answer.Record{ID: "x", Start: time.Now(), Caller: "c", Method: "token", Remote: "10.0.0.1", Status: tt.status}
		if tt.target != "" {
			rec.Target, rec.Request = tt.target, &access.Request{Method: tt.method, Target: tt.target}
		}
		if tt.failure != nil {
			rec.Failure = answer.Failf(tt.failure, "why")
		}
		l.Follow(r, rec).End()
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if n := len(audittest.Events(t, out.String())); (n == 1) != tt.want {
			t.Errorf("%s %s %s %d: %d events", tt.method, tt.target, tt.upgrade, tt.status, n)
		}
	}
}
