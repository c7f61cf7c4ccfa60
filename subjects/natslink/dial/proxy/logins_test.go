package proxy

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead-io/fairlead/subjects/cause"
)

// TestRefusedLoginPauses: the same credentials are sent again after pauses that double,
// others at once, and an acceptance ends the pause.
func TestRefusedLoginPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &Proxies{Logins: new(Logins)}
		at, _ := url.Parse("http://p:3128")
		login := func(password string) *tunnel {
			return &tunnel{proxies: p, proxy: at, server: "b:1", creds: &credentials{user: "u", password: password, from: "in a file"}}
		}
		wrong, other := login("a"), login("b")
		for _, pause := range []time.Duration{2, 4, 8, 16, 16} {
			if f := p.Logins.held(wrong); f != nil {
				t.Fatalf("held: %v", f)
			}
			refusal := wrong.notAccepted("Basic", "407")
			time.Sleep(pause*time.Minute - time.Second)
			if f := p.Logins.held(wrong); f == nil || f.Error() != refusal.Error() {
				t.Errorf("not held for %d min: %v", pause, f)
			}
			if f := p.Logins.held(other); f != nil {
				t.Errorf("another password is held: %v", f)
			}
			time.Sleep(time.Second)
		}
		p.Logins.note(wrong, nil)
		_ = wrong.notAccepted("", "")
		time.Sleep(firstPause)
		if f := p.Logins.held(wrong); f != nil {
			t.Errorf("held after an acceptance and a refusal: %v", f)
		}
		if (*Logins)(nil).held(wrong) != nil {
			t.Error("held by none")
		}
	})
}

// TestSpelling: the cure of a refused login is about the scheme that was used.
func TestSpelling(t *testing.T) {
	for _, test := range []struct {
		scheme, user, want string
	}{
		{"NTLM", "fred", `DOMAIN\user`}, {"Negotiate", "fred", `DOMAIN\user`}, {"NTLM", `CORP\fred`, `DOMAIN\user`},
		{"Digest", `CORP\fred`, "by Digest, for which the user is mostly written without its domain"}, {"Digest", "fred", ""},
		{"Basic", `CORP\fred`, "by Basic, for which"}, {"Basic", "fred", ""}, {"", "fred", ""},
	} {
		at, _ := url.Parse("http://p:3128")
		refused := &tunnel{proxies: new(Proxies), proxy: at, server: "b:1", creds: &credentials{user: test.user, password: "a", from: "in a file"}}
		cure := cause.Of(refused.notAccepted(test.scheme, "407")).Cure()
		if !strings.Contains(cure, test.want) || test.want == "" && (strings.Contains(cure, "domain") || strings.Contains(cure, "NTLM")) {
			t.Errorf("%s, %s: %s", test.scheme, test.user, cure)
		}
	}
}

// TestRefusedLoginIsNotRepeated: the proxies see a wrong password once.
func TestRefusedLoginIsNotRepeated(t *testing.T) {
	basic := &httpProxy{credentials: "u:p"}
	socks := &socksProxy{credentials: "u:p"}
	for _, address := range []string{"http://" + listen(t, basic.serve), "socks5h://" + listen(t, socks.serve)} {
		how := Proxies{CredentialsFile: file(t, "u:hunter2"), Logins: new(Logins)}
		for range 3 {
			_, err := reach(t, how, address, "b.example:4222")
			wantFailure(t, err, cause.Proxy, cause.ProxyAuthRequired, "does not accept the user and password in /", "every few minutes")
		}
		how.CredentialsFile = file(t, "u:p")
		conn, err := reach(t, how, address, echo(t))
		wantEcho(t, conn, err)
	}
	basic.mu.Lock()
	defer basic.mu.Unlock()
	socks.mu.Lock()
	defer socks.mu.Unlock()
	sent := 0
	for _, authorization := range basic.asked {
		if authorization != "" {
			sent++
		}
	}
	if sent != 2 || socks.logins != 2 {
		t.Errorf("the passwords were sent %d and %d times, want 2: the wrong one and the right one", sent, socks.logins)
	}
}

// TestTwoProxiesPause: a refusal by one proxy does not end the pause at another, and
// only so many are remembered.
func TestTwoProxiesPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &Proxies{Logins: new(Logins)}
		at := func(port int) *tunnel {
			u, _ := url.Parse(fmt.Sprintf("http://p:%d", port))
			return &tunnel{proxies: p, proxy: u, server: "b:1", creds: &credentials{user: "u", password: "a"}}
		}
		for port := range maxKnown {
			_ = at(port+1).notAccepted("", "")
			time.Sleep(time.Second)
		}
		for port := range maxKnown {
			if p.Logins.held(at(port+1)) == nil {
				t.Errorf("proxy %d: not held", port)
			}
		}
		_ = at(1000).notAccepted("", "")
		if p.Logins.held(at(1)) != nil || p.Logins.held(at(2)) == nil || p.Logins.held(at(1000)) == nil || len(p.Logins.known) != maxKnown {
			t.Errorf("%d are remembered, or not the latest", len(p.Logins.known))
		}
	})
}

// TestCloseIsARefusal: a proxy that closes the connection instead of refusing an answer
// to its challenge gets the same one twice, and not a third time.
func TestCloseIsARefusal(t *testing.T) {
	refuser := &ntlmProxy{scheme: "NTLM", offers: "NTLM", dropsRefused: true}
	address := "http://" + listen(t, refuser.serve)
	how := Proxies{CredentialsFile: file(t, `CORP\jane:hunter2`), Logins: new(Logins)}
	_, err := reach(t, how, address, "b.example:4222")
	wantFailure(t, err, cause.Proxy, cause.ConnectionLost, "closed the connection after its NTLM challenge")
	for range 3 {
		_, err := reach(t, how, address, "b.example:4222")
		wantFailure(t, err, cause.Proxy, cause.ProxyAuthRequired, "probably does not accept the user and password in /", "every few minutes")
	}
	how.CredentialsFile = file(t, `CORP\jane:`+ntPassword)
	conn, err := reach(t, how, address, echo(t))
	wantEcho(t, conn, err)
	refuser.mu.Lock()
	defer refuser.mu.Unlock()
	if sent := strings.Count(strings.Join(refuser.log, ","), "NTLM 3"); sent != 3 {
		t.Errorf("%d answers were sent, want 3: two wrong ones and the right one", sent)
	}
}
