package bridge

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"net/http"
	"testing"

	"github.com/coder/websocket"

	"github.com/fairlead-io/fairlead/bridge/connection/resume"
)

// The kinds of messages of docs/connections.md that the tests speak themselves.
const (
	kindData     = 1
	kindConsumed = 2
)

// TestALateAttachmentIsRefused: a request to attach that comes after those which followed it,
// because it was delayed, ends neither the connection nor the attachment of the same caller.
func TestALateAttachmentIsRefused(t *testing.T) {
	r := newRig(t, rigOptions{})
	r.agent("default", "prod", hello)
	url := r.url + "/v1/clusters/prod/connections/" + rand.Text()
	dial := func(query string) (*websocket.Conn, *http.Response, error) {
		return websocket.Dial(t.Context(), url+query, &websocket.DialOptions{
			HTTPClient: r.h1, Subprotocols: []string{resume.Subprotocol},
			HTTPHeader: http.Header{"Authorization": {"Bearer " + r.token}},
		})
	}
	ws, _, err := dial("?new=true")
	if err != nil {
		t.Fatal(err)
	}
	defer ws.CloseNow()
	sent, got := uint64(0), uint64(0)
	send := func(kind byte, offset uint64, rest string) {
		t.Helper()
		b := append(binary.AppendUvarint([]byte{kind}, offset), rest...)
		if err := ws.Write(t.Context(), websocket.MessageBinary, b); err != nil {
			t.Fatal(err)
		}
	}
	// ask makes a request, and says that its response is consumed.
	ask := func() {
		t.Helper()
		const request = "GET /k8s/clusters/prod/version HTTP/1.1\r\nHost: x\r\n\r\n"
		send(kindData, sent, request)
		sent += uint64(len(request))
		for response := []byte(nil); !bytes.Contains(response, []byte("hello")); {
			_, b, err := ws.Read(t.Context())
			if err != nil {
				t.Fatalf("after %q: %v", response, err)
			}
			if b[0] == kindData {
				_, n := binary.Uvarint(b[1:])
				response = append(response, b[1+n:]...)
				got += uint64(len(b) - 1 - n)
			}
		}
		send(kindConsumed, got, "")
	}
	ask()
	ask() // the bridge has seen what the first has consumed
	_, res, err := dial("?received=0")
	if err == nil || res == nil || res.StatusCode != 400 || res.Header.Get("Fairlead-Error") != "bad-request" {
		t.Errorf("a late attachment: %v, %v", res, err)
	}
	ask()
}
