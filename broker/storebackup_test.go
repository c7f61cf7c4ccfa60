package broker

import (
	"encoding/json"
	"testing"

	"github.com/nats-io/nats.go"
)

// saved is a backup as "nats stream backup" makes one.
type saved struct {
	Config json.RawMessage `json:"config"`
	State  json.RawMessage `json:"state"`
	chunks [][]byte
}

// snapshot saves a stream.
func snapshot(t *testing.T, nc *nats.Conn, stream string) *saved {
	t.Helper()
	deliver := nc.NewInbox()
	chunks, err := nc.SubscribeSync(deliver)
	if err != nil {
		t.Fatal(err)
	}
	s := &saved{}
	ask(t, nc, "$JS.API.STREAM.SNAPSHOT."+stream, []byte(`{"deliver_subject":"`+deliver+`"}`), s)
	for {
		m, err := chunks.NextMsg(patience)
		if err != nil {
			t.Fatal(err)
		}
		if len(m.Data) == 0 {
			return s
		}
		s.chunks = append(s.chunks, m.Data)
		if m.Reply == "" {
			continue
		}
		if err := m.Respond(nil); err != nil {
			t.Fatal(err)
		}
	}
}

// restore puts a saved stream back.
func restore(t *testing.T, nc *nats.Conn, stream string, s *saved) {
	t.Helper()
	request, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	var to struct {
		Deliver string `json:"deliver_subject"`
	}
	ask(t, nc, "$JS.API.STREAM.RESTORE."+stream, request, &to)
	for _, chunk := range append(s.chunks, nil) {
		ask(t, nc, to.Deliver, chunk, nil)
	}
}

// ask sends a request, whose answer must have no error.
func ask(t *testing.T, nc *nats.Conn, subject string, request []byte, answer any) {
	t.Helper()
	m, err := nc.Request(subject, request, patience)
	if err != nil {
		t.Fatalf("%s: %v", subject, err)
	}
	var e struct{ Error json.RawMessage }
	if len(m.Data) > 0 {
		if err := json.Unmarshal(m.Data, &e); err != nil || e.Error != nil {
			t.Fatalf("%s: %v, %s", subject, err, m.Data)
		}
	}
	if answer != nil {
		if err := json.Unmarshal(m.Data, answer); err != nil {
			t.Fatal(err)
		}
	}
}
