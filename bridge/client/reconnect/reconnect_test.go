package reconnect

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
	"go.uber.org/goleak"

	"github.com/fairlead-io/fairlead/bridge/client"
	"github.com/fairlead-io/fairlead/bridge/connection/resume"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// dialed is a dialer of a server that does what serve says with each attachment.
func dialed(t *testing.T, serve http.HandlerFunc) *Dialer {
	t.Helper()
	s := httptest.NewServer(serve)
	t.Cleanup(s.Close)
	c, err := client.New(s.URL, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return &Dialer{Client: c, Cluster: "prod"}
}

func accept(t *testing.T, w http.ResponseWriter, r *http.Request, received string) *websocket.Conn {
	w.Header().Set(resume.ReceivedHeader, received)
	ws, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{resume.Subprotocol}})
	if err != nil {
		t.Error(err)
	}
	return ws
}

func problem(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, `{"code":"`+code+`","detail":"for a test"}`)
}

// TestRefusals: what no later attempt changes ends the connection at once, with the
// bridge's reason; and a refusal of the first attachment is the dialer's.
func TestRefusals(t *testing.T) {
	var attachments atomic.Int64
	d := dialed(t, func(w http.ResponseWriter, r *http.Request) {
		if n := attachments.Add(1); n > 1 {
			if n == 2 && r.URL.Query().Has("new") {
				t.Error("a connection is begun twice")
			}
			problem(w, 403, "forbidden")
			return
		}
		_ = accept(t, w, r, "0").CloseNow()
	})
	lost := make(chan error, 1)
	d.Lost = func(err error) { lost <- err }
	c, err := d.DialContext(t.Context(), "", "")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, err = c.Read(make([]byte, 1))
	if !errors.Is(err, ErrLost) || !client.IsType(err, "forbidden") || attachments.Load() != 2 {
		t.Errorf("after %d attachments: %v", attachments.Load(), err)
	}
	if err := <-lost; err == nil {
		t.Error("lost without a reason")
	}

	if _, err := d.DialContext(t.Context(), "", ""); !client.IsType(err, "forbidden") {
		t.Errorf("the first attachment: %v", err)
	}
}

// TestUnknownConnectionsAreAskedForAWhile: another bridge may have it.
func TestUnknownConnectionsAreAskedForAWhile(t *testing.T) {
	var attachments atomic.Int64
	first := make(chan *websocket.Conn, 1)
	d := dialed(t, func(w http.ResponseWriter, r *http.Request) {
		switch n := attachments.Add(1); {
		case n == 1:
			ws := accept(t, w, r, "0")
			first <- ws
			_, _, _ = ws.Read(r.Context())
		case n < 5:
			problem(w, 404, "unknown-connection")
		default:
			ws := accept(t, w, r, "0")
			_ = ws.Write(r.Context(), websocket.MessageBinary, []byte("\x01\x00hello"))
			_, _, _ = ws.Read(r.Context())
			_ = ws.CloseNow()
		}
	})
	c, err := d.DialContext(t.Context(), "", "")
	if err != nil {
		t.Fatal(err)
	}
	_ = (<-first).CloseNow()
	b := make([]byte, 5)
	if _, err := io.ReadFull(c, b); err != nil || string(b) != "hello" {
		t.Errorf("%q, %v", b, err)
	}
	_ = c.Close()
}

// TestNotABridge: a server that switches protocols and says nothing of what it has is none.
func TestNotABridge(t *testing.T) {
	d := dialed(t, func(w http.ResponseWriter, r *http.Request) { _ = accept(t, w, r, "").CloseNow() })
	if _, err := d.DialContext(t.Context(), "", ""); !errors.Is(err, resume.ErrProtocol) || !strings.Contains(err.Error(), "not one of a bridge") {
		t.Error(err)
	}
	c, err := client.New("https://x", client.Options{Transport: http.DefaultTransport})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := (&Dialer{Client: c, Cluster: "prod"}).DialContext(t.Context(), "", ""); err == nil {
		t.Error("dialed with a transport of the caller's own")
	}
}

// TestABridgeThatHasLostBytes: a connection whose bytes are nowhere any more ends at once, and
// is not attached again and again.
func TestABridgeThatHasLostBytes(t *testing.T) {
	var attachments atomic.Int64
	d := dialed(t, func(w http.ResponseWriter, r *http.Request) {
		attachments.Add(1)
		ws := accept(t, w, r, "0")
		if _, _, err := ws.Read(r.Context()); err == nil { // what the client has consumed
			if _, _, err = ws.Read(r.Context()); err == nil { // its bytes
				_ = ws.Write(r.Context(), websocket.MessageBinary, []byte("\x02\x05"))
				_ = ws.Write(r.Context(), websocket.MessageBinary, []byte("\x01\x00x"))
			}
		}
		_, _, _ = ws.Read(r.Context())
		_ = ws.CloseNow()
	})
	c, err := d.DialContext(t.Context(), "", "")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	_, err = io.ReadAll(c)
	if !errors.Is(err, ErrLost) || !errors.Is(err, resume.ErrStale) || attachments.Load() != 2 {
		t.Errorf("after %d attachments: %v", attachments.Load(), err)
	}
}

// TestAttachmentsThatBreakAtOnce: what lets each attachment begin and cuts it, such as a proxy
// that takes no WebSockets, is not asked again and again without a pause.
func TestAttachmentsThatBreakAtOnce(t *testing.T) {
	times := make(chan time.Time, 100)
	d := dialed(t, func(w http.ResponseWriter, r *http.Request) {
		select {
		case times <- time.Now():
		default:
			t.Error("a flood of attachments")
		}
		_ = accept(t, w, r, "0").CloseNow()
	})
	c, err := d.DialContext(t.Context(), "", "")
	if err != nil {
		t.Fatal(err)
	}
	<-times
	second := <-times // at once: most losses are of a moment
	for range 4 {
		<-times
	}
	// Pauses of 0.1, 0.2, 0.4 and 0.8 s, each perhaps half as long.
	if took := time.Since(second); took < 700*time.Millisecond {
		t.Errorf("4 more attachments took %v", took)
	}
	_ = c.Close()
}
