package proxy

import (
	"bytes"
	"context"
	"encoding/base64"
	"io"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/subjects/cause"
)

// script is a connection to a proxy that sends the same whatever it is sent.
type script struct {
	net.Conn // nil: other methods are not used
	io.Reader
	sent *bytes.Buffer
}

func (s script) Read(b []byte) (int, error)      { return s.Reader.Read(b) }
func (s script) Write(b []byte) (int, error)     { return s.sent.Write(b) }
func (s script) Close() error                    { return nil }
func (s script) SetDeadline(time.Time) error     { return nil }
func (s script) SetReadDeadline(time.Time) error { return nil }

// FuzzAnswers: whatever an http proxy sends, the end is a connection or a failure of
// the proxy, after few requests.
func FuzzAnswers(f *testing.F) {
	token := base64.StdEncoding.EncodeToString(goodChallenge())
	for _, seed := range []string{
		"HTTP/1.1 200 OK\r\n\r\nINFO {}\r\n",
		"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 200 OK\r\nContent-Length: 7\r\n\r\nx",
		"HTTP/1.1 407 x\r\nProxy-Authenticate: Basic realm=\"a\\\", b\", NTLM\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 407 x\r\nProxy-Authenticate: NTLM " + token +
			"\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
		"HTTP/1.1 407 x\r\nProxy-Authenticate: Negotiate " + token + "\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
		"HTTP/1.1 407 x\r\nProxy-Authenticate: Digest realm=\"a\", nonce=\"b\", qop=\"auth\", Basic\r\nContent-Length: 0\r\n\r\nHTTP/1.1 407 x\r\nProxy-Authenticate: Digest nonce=c, stale=true\r\n" +
			"Content-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
		"HTTP/1.1 403 x\r\nContent-Length: 9999999999\r\n\r\n<script>\x1b[31m",
		"SSH-2.0-x\r\n",
		"\x15\x03\x01\x00\x02\x02\x28",
		"\x05\xff",
	} {
		f.Add([]byte(seed))
	}
	proxy, _ := url.Parse("http://u:hunter2@p.example")
	f.Fuzz(func(t *testing.T, said []byte) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		dials := 0
		sent := new(bytes.Buffer)
		conn, err := new(Proxies).Connect(ctx, proxy, "b.example:4222", func(context.Context, string) (net.Conn, error) {
			dials++
			return script{Reader: bytes.NewReader(said), sent: sent}, nil
		})
		if requests := strings.Count(sent.String(), "CONNECT "); requests > 13 || dials > requests {
			t.Errorf("%d requests on %d connections", requests, dials)
		}
		if err == nil {
			rest, err := io.ReadAll(conn)
			if err != nil || !bytes.HasSuffix(said, rest) {
				t.Errorf("after the answer: %q, %v", rest, err)
			}
			return
		}
		wantSound(t, err, string(said))
	})
}

// wantSound checks a failure that the proxy's bytes have caused.
func wantSound(t *testing.T, err error, said string) {
	t.Helper()
	failure := cause.Of(err)
	if failure == nil || failure.Hop != cause.Proxy || failure.Cause == cause.Unknown {
		t.Fatalf("not a failure of the proxy: %v", err)
	}
	text := failure.Error() + failure.Cure()
	if strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }) || len(text) > 8000 {
		t.Errorf("not fit for a log: %q", text)
	}
	if strings.Contains(text, secret) && !strings.Contains(said, secret) {
		t.Errorf("shows the password: %s", text)
	}
}

// FuzzSOCKS is FuzzAnswers for a SOCKS proxy.
func FuzzSOCKS(f *testing.F) {
	for _, seed := range []string{
		"\x05\x00\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00", "\x05\x02\x01\x00\x05\x00\x00\x03\x01x\x00\x00x", "\x05\xff", "\x05\x02\x01\x01",
		"\x05\x00\x05\x05", "\x05\x00\x05\x05\x00\x07", "\x04\x5a", "HTTP/1.1 400 Bad Request\r\n\r\n",
	} {
		f.Add([]byte(seed))
	}
	proxy, _ := url.Parse("socks5h://u:hunter2@p.example")
	f.Fuzz(func(t *testing.T, said []byte) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		conn, err := new(Proxies).Connect(ctx, proxy, "b.example:4222", func(context.Context, string) (net.Conn, error) {
			return script{Reader: bytes.NewReader(said), sent: new(bytes.Buffer)}, nil
		})
		if err != nil {
			wantSound(t, err, string(said))
		} else if rest, err := io.ReadAll(conn); err != nil || !bytes.HasSuffix(said, rest) {
			t.Errorf("after the answer: %q, %v", rest, err)
		}
	})
}

// FuzzChallenge: whatever a challenge is, answering it ends, and the answer is bounded
// by it.
func FuzzChallenge(f *testing.F) {
	f.Add(goodChallenge())
	f.Add([]byte("NTLMSSP\x00\x02"))
	c := &credentials{user: `CORP\jane`, password: secret}
	f.Fuzz(func(t *testing.T, challenge []byte) {
		if len(challenge) > maxHead {
			return
		}
		message, err := c.answer(base64.StdEncoding.EncodeToString(challenge))
		if len(message) > len(challenge)+1000 {
			t.Errorf("%d bytes answer %d", len(message), len(challenge))
		}
		if err != nil && strings.Contains(err.Error(), secret) && !bytes.Contains(challenge, []byte(secret)) {
			t.Errorf("shows the password: %v", err)
		}
	})
}
