package proxy

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/subjects/cause"
)

// socksProxy is a SOCKS 5 proxy. It takes every name for 127.0.0.1.
type socksProxy struct {
	credentials string // user:password, "" for none
	reply       byte   // the reply to each request, 0 to connect

	mu     sync.Mutex
	asked  []string
	logins int
}

func (p *socksProxy) serve(c net.Conn) {
	if !p.greet(c) {
		return
	}
	head := make([]byte, 4)
	if _, err := io.ReadFull(c, head); err != nil {
		return
	}
	size := map[byte]int{1: 4, 4: 16}[head[3]]
	if head[3] == 3 {
		b := make([]byte, 1)
		_, _ = io.ReadFull(c, b)
		size = int(b[0])
	}
	b := make([]byte, size+2)
	if _, err := io.ReadFull(c, b); err != nil {
		return
	}
	host, port := string(b[:size]), fmt.Sprint(binary.BigEndian.Uint16(b[size:]))
	if head[3] != 3 {
		host = net.IP(b[:size]).String()
	}
	p.mu.Lock()
	p.asked = append(p.asked, fmt.Sprint(head[3])+" "+host)
	p.mu.Unlock()
	reply := []byte{5, p.reply, 0, 1, 0, 0, 0, 0, 0, 0}
	if p.reply != 0 {
		_, _ = c.Write(reply)
		return
	}
	out, err := net.Dial("tcp", "127.0.0.1:"+port)
	if err != nil {
		reply[1] = 5
		_, _ = c.Write(reply)
		return
	}
	_, _ = c.Write(reply)
	carry(c, out, c)
}

// greet agrees on the method, and checks the password.
func (p *socksProxy) greet(c net.Conn) bool {
	head := make([]byte, 2)
	if _, err := io.ReadFull(c, head); err != nil || head[0] != 5 {
		return false
	}
	methods := make([]byte, head[1])
	_, _ = io.ReadFull(c, methods)
	if p.credentials == "" {
		_, err := c.Write([]byte{5, 0})
		return err == nil
	}
	if !strings.Contains(string(methods), "\x02") {
		_, _ = c.Write([]byte{5, 0xff})
		return false
	}
	_, _ = c.Write([]byte{5, 2})
	field := func() string {
		n := make([]byte, 1)
		_, _ = io.ReadFull(c, n)
		b := make([]byte, n[0])
		_, _ = io.ReadFull(c, b)
		return string(b)
	}
	_, _ = io.ReadFull(c, make([]byte, 1))
	p.mu.Lock()
	p.logins++
	p.mu.Unlock()
	user := field()
	if user+":"+field() != p.credentials {
		_, _ = c.Write([]byte{1, 1})
		return false
	}
	_, err := c.Write([]byte{1, 0})
	return err == nil
}

// TestSOCKS: socks5 resolves names here, socks5h at the proxy; the password is of
// the URL or of the file.
func TestSOCKS(t *testing.T) {
	server := echo(t)
	_, port, _ := net.SplitHostPort(server)
	for _, test := range []struct {
		scheme, credentials, inURL, inFile, host, asked string
	}{
		{"socks5", "", "", "", "localhost", ""}, // 127.0.0.1 or ::1
		{"socks5", "", "", "", "127.0.0.1", "1 127.0.0.1"},
		{"socks5", "", "", "", "::1", "4 ::1"},
		{"socks5h", "", "", "", "broker.invalid", "3 broker.invalid"},
		{"socks5h", "", "", "", "127.0.0.1", "1 127.0.0.1"},
		{"socks5h", "", "u:p@", "", "broker.invalid", "3 broker.invalid"},
		{"socks5h", "u:p w", "u:p%20w@", "", "broker.invalid", "3 broker.invalid"},
		{"socks5h", "u:p", "", "u:p", "broker.invalid", "3 broker.invalid"},
		{"socks5h", "u:p", "u:other@", "u:p\n", "broker.invalid", "3 broker.invalid"},
	} {
		p := &socksProxy{credentials: test.credentials}
		var how Proxies
		if test.inFile != "" {
			how.CredentialsFile = file(t, test.inFile)
		}
		conn, err := reach(t, how, test.scheme+"://"+test.inURL+listen(t, p.serve), net.JoinHostPort(test.host, port))
		wantEcho(t, conn, err)
		p.mu.Lock()
		if len(p.asked) != 1 || test.asked != "" && p.asked[0] != test.asked || strings.HasPrefix(p.asked[0], "3") != (test.scheme == "socks5h" && test.asked[0] == '3') {
			t.Errorf("%+v: the proxy was asked for %q", test, p.asked)
		}
		p.mu.Unlock()
	}
}

// TestSOCKSRefusals: every reply of a proxy has its cause.
func TestSOCKSRefusals(t *testing.T) {
	reply := func(code byte) func(net.Conn) { return (&socksProxy{reply: code}).serve }
	says := func(bytes string) func(net.Conn) {
		return func(c net.Conn) { _, _ = io.ReadFull(c, make([]byte, 3)); _, _ = io.WriteString(c, bytes); silent(c) }
	}
	long := "u:" + strings.Repeat("hunter2", 40) + "@"
	for name, test := range map[string]struct {
		serve func(net.Conn)
		user  string
		id    cause.ID
		want  string
	}{
		"general failure":     {reply(1), "", cause.ProxyFailed, "general SOCKS server failure"},
		"not allowed":         {reply(2), "", cause.ProxyDenied, "not allowed by ruleset"},
		"network unreachable": {reply(3), "", cause.ProxyFailed, "network unreachable"},
		"host unreachable":    {reply(4), "", cause.ProxyFailed, "host unreachable"},
		"refused":             {reply(5), "", cause.ProxyFailed, "connection refused"},
		"TTL":                 {reply(6), "", cause.ProxyFailed, "TTL expired"},
		"command":             {reply(7), "", cause.ProxyDenied, "command not supported"},
		"address type":        {reply(8), "", cause.ProxyFailed, "address type not supported"},
		"unknown reply":       {reply(77), "", cause.ProxyFailed, "unknown code: 77"},
		"no credentials":      {(&socksProxy{credentials: "u:p"}).serve, "", cause.ProxyAuthRequired, "none are given"},
		"wrong credentials":   {(&socksProxy{credentials: "u:p"}).serve, "u:hunter2@", cause.ProxyAuthRequired, "does not accept the user and password in the proxy's URL"},
		"long password":       {silent, long, cause.ProxyConfig, "cannot be used with SOCKS 5"},
		"no user":             {silent, ":hunter2@", cause.ProxyConfig, "cannot be used with SOCKS 5"},
		"HTTP":                {says("HTTP/1.1 400 Bad Request\r\n\r\n"), "", cause.NotAProxy, "unexpected protocol version 72"},
		"SSH":                 {says("SSH-2.0-x\r\n"), "", cause.NotAProxy, "unexpected protocol version 83"},
		"SOCKS 4":             {says("\x00\x5b\x00\x00\x00\x00\x00\x00"), "", cause.NotAProxy, "unexpected protocol version 0"},
		"another method":      {says("\x05\x01"), "u:hunter2@", cause.ProxyAuthRequired, "does not accept"},
		"nonsense":            {says("\x05\x02\x07\x07"), "u:hunter2@", cause.NotAProxy, "invalid username/password version"},
		"silent":              {silent, "", cause.NotAProxy, "no answer in time to the greeting of SOCKS 5"},
		"silent later":        {says("\x05\x00"), "", cause.Timeout, "timeout"},
		"closes":              {func(net.Conn) {}, "", cause.ConnectionLost, "Check the scheme"},
		"closes later":        {func(c net.Conn) { _, _ = io.ReadFull(c, make([]byte, 3)); _, _ = c.Write([]byte{5, 0}) }, "", cause.ConnectionLost, "Check the scheme"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address := listen(t, test.serve)
			_, err := reach(t, Proxies{}, "socks5h://"+test.user+address, "b.example:4222", 2*time.Second)
			wantFailure(t, err, cause.Proxy, test.id, test.want, "through the proxy socks5h://"+address)
		})
	}
	_, err := reach(t, Proxies{}, "socks5://127.0.0.1:1", "broker.invalid:4222")
	wantFailure(t, err, cause.DNS, cause.UnknownHost, "resolve broker.invalid", "Use socks5h://")
}
