package proxy

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/icholy/digest"

	"github.com/fairlead-io/fairlead/subjects/cause"
)

// digestProxy is a proxy that wants Digest. Its first nonces are stale at once.
type digestProxy struct {
	offer string // what follows the nonce in its challenge
	stale int    // nonces

	mu    sync.Mutex
	asked []*digest.Credentials
}

func (p *digestProxy) serve(c net.Conn) {
	r := bufio.NewReader(c)
	for n := 0; ; n++ {
		req, err := http.ReadRequest(r)
		if err != nil {
			return
		}
		got, err := digest.ParseCredentials(req.Header.Get("Proxy-Authorization"))
		if err == nil {
			p.mu.Lock()
			p.asked = append(p.asked, got)
			right, fresh := p.right(got, req.Host), n > p.stale && got.Nonce == fmt.Sprint("n", n-1)
			p.mu.Unlock()
			if right && fresh {
				out, err := net.Dial("tcp", req.Host)
				if err != nil {
					return
				}
				_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n")
				carry(c, out, r)
				return
			}
		}
		_, _ = fmt.Fprintf(c, "HTTP/1.1 407 No\r\nProxy-Authenticate: Digest realm=\"a \\\"b\\\", c\", nonce=\"n%d\", %s, stale=%t\r\n"+
			"Proxy-Authenticate: Basic realm=x\r\nContent-Length: 0\r\n\r\n", n, p.offer, n > 0 && n <= p.stale)
	}
}

// right judges an answer by the library's own parser, and the hash of a user u with the
// password of the tests.
func (p *digestProxy) right(got *digest.Credentials, host string) bool {
	offer, err := digest.ParseChallenge(fmt.Sprintf("Digest realm=\"a \\\"b\\\", c\", nonce=%q, %s", got.Nonce, p.offer))
	if err != nil {
		return false
	}
	want, err := digest.Digest(offer, digest.Options{Method: http.MethodConnect, URI: host, Username: "u", Password: secret, Cnonce: got.Cnonce, Count: got.Nc})
	return err == nil && want.Response == got.Response && got.URI == host
}

// TestDigest: the password itself is never sent, and a nonce that has become stale is
// no refusal of it.
func TestDigest(t *testing.T) {
	server := echo(t)
	for name, test := range map[string]struct {
		offer string
		stale int
		sent  int
	}{
		"as squid":      {`qop="auth"`, 0, 1},
		"SHA-256":       {`qop="auth, auth-int", algorithm=SHA-256`, 0, 1},
		"without qop":   {`algorithm=MD5`, 0, 1},
		"a stale nonce": {`qop="auth"`, 1, 2},
	} {
		t.Run(name, func(t *testing.T) {
			p := &digestProxy{offer: test.offer, stale: test.stale}
			conn, err := reach(t, Proxies{}, "http://u:"+secret+"@"+listen(t, p.serve), server)
			wantEcho(t, conn, err)
			if len(p.asked) != test.sent {
				t.Errorf("%d answers, want %d", len(p.asked), test.sent)
			}
		})
	}
}

// TestDigestPage: the page of a refusal names the address that was asked for.
func TestDigestPage(t *testing.T) {
	page := func(authorization, _ string) (reason, challenge, body string) {
		return "x", `Digest realm="corp", nonce="n1", qop="auth"`, "trying to retrieve the URL: broker.acme.com:443 Cache Access Denied, you sent " + authorization
	}
	_, err := reach(t, Proxies{}, "http://u:hunter2-correct-horse@"+listen(t, parrot(`Digest realm="corp", nonce="n0", qop="auth"`, page)), "broker.acme.com:443")
	wantFailure(t, err, cause.Proxy, cause.ProxyAuthRequired, "retrieve the URL: broker.acme.com:443 Cache Access Denied", `response=\\\"[redacted]`)
	wantHidden(t, err, "hunter2-correct-horse")
}

// TestDigestRefused: a wrong password is told, and is not sent by Basic then. A challenge
// that cannot be answered leaves it to Basic.
func TestDigestRefused(t *testing.T) {
	server := echo(t)
	p := &digestProxy{offer: `qop="auth"`}
	_, err := reach(t, Proxies{}, "http://u:wrong@"+listen(t, p.serve), server)
	wantFailure(t, err, cause.Proxy, cause.ProxyAuthRequired, "does not accept the user and password")
	if len(p.asked) != 1 {
		t.Errorf("%d answers, want 1", len(p.asked))
	}
	for _, offer := range []string{`nonce="x", algorithm=MD5-sess`, `nonce="x", qop="other"`, `nonce`, `nonce="x`} {
		var basic string
		conn, err := reach(t, Proxies{}, "http://u:"+secret+"@"+listen(t, func(c net.Conn) {
			r := bufio.NewReader(c)
			_, _ = http.ReadRequest(r)
			_, _ = io.WriteString(c, "HTTP/1.1 407 No\r\nProxy-Authenticate: Basic realm=x\r\nProxy-Authenticate: Digest "+offer+"\r\nContent-Length: 0\r\n\r\n")
			req, err := http.ReadRequest(r)
			if err != nil {
				return
			}
			basic = req.Header.Get("Proxy-Authorization")
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\nhello\n")
		}), server)
		if err != nil {
			t.Errorf("%s: %v", offer, err)
			continue
		}
		_, _ = io.ReadAll(conn)
		if !strings.HasPrefix(basic, "Basic ") {
			t.Errorf("%s: %q", offer, basic)
		}
	}
}
