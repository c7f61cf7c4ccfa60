package proxy

import (
	"bufio"
	"bytes"
	"crypto/hmac"
	"crypto/md5"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"unicode/utf16"

	"github.com/fairlead-io/fairlead/subjects/cause"
)

// The password of the test's user, and its NT hash: MD4 of its UTF-16.
const (
	ntPassword = "hunter2:Zaunkönig"
	ntHash     = "2dfc470739a608dd48e652adffdabb90"
)

// ntlmProxy verifies NTLM version 2 as MS-NLMP, section 3.3.2, says.
type ntlmProxy struct {
	scheme    string // NTLM or Negotiate
	offers    string // the header's values, separated by "|"
	declines  bool   // it asks again, and sends no challenge
	challenge []byte // instead of a good one
	closes    int    // it closes the connection after this one of all its 407, from 1
	lies      bool   // without saying so in the 407
	// dropsRefused: it closes the connection instead of refusing an answer.
	dropsRefused bool

	mu       sync.Mutex
	log      []string // of requests: the scheme and the message's number
	refusals int
	conns    int
}

var serverChallenge = []byte{1, 2, 3, 4, 5, 6, 7, 8}

func (p *ntlmProxy) note(authorization string, message []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	scheme, _, _ := strings.Cut(authorization, " ")
	if scheme != "Basic" && len(message) > 8 {
		scheme += fmt.Sprintf(" %d", message[8])
	}
	p.log = append(p.log, scheme)
}

func (p *ntlmProxy) serve(c net.Conn) {
	p.mu.Lock()
	p.conns++
	p.mu.Unlock()
	r := bufio.NewReader(c)
	challenged := false // of this connection
	for {
		req, err := http.ReadRequest(r)
		if err != nil {
			return
		}
		authorization := req.Header.Get("Proxy-Authorization")
		scheme, token, _ := strings.Cut(authorization, " ")
		message, _ := base64.StdEncoding.DecodeString(token)
		p.note(authorization, message)
		offers := strings.ReplaceAll(p.offers, "|", "\r\nProxy-Authenticate: ")
		switch {
		case scheme == "Basic" && strings.Contains(p.offers, "Basic") && string(message) == "u:"+ntPassword,
			scheme == p.scheme && challenged && ntlmAccepts(message):
			out, err := net.Dial("tcp", req.Host)
			if err != nil {
				return
			}
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n")
			carry(c, out, r)
			return
		case scheme == p.scheme && !p.declines && len(message) > 8 && message[8] == 1:
			challenged = true
			sent := p.challenge
			if sent == nil {
				sent = goodChallenge()
			}
			offers = p.scheme + " " + base64.StdEncoding.EncodeToString(sent)
		}
		if p.dropsRefused && len(message) > 8 && message[8] == 3 {
			return
		}
		if !p.refuse(c, offers) {
			return
		}
	}
}

// refuse sends a 407, and reports whether the connection stays open.
func (p *ntlmProxy) refuse(c net.Conn, offers string) bool {
	p.mu.Lock()
	p.refusals++
	closes := p.refusals == p.closes
	p.mu.Unlock()
	connection := "keep-alive"
	if closes && !p.lies {
		connection = "close"
	}
	_, _ = fmt.Fprintf(c, "HTTP/1.1 407 x\r\nProxy-Authenticate: %s\r\nProxy-Connection: %s\r\nContent-Length: 5000\r\n\r\n%s",
		offers, connection, strings.Repeat("z", 5000))
	return !closes
}

func utf16le(s string) []byte {
	var b bytes.Buffer
	_ = binary.Write(&b, binary.LittleEndian, utf16.Encode([]rune(s)))
	return b.Bytes()
}

// goodChallenge is a challenge as a domain controller's: with the names of the
// domain and its time.
func goodChallenge() []byte {
	pair := func(id uint16, value []byte) []byte {
		return append(binary.LittleEndian.AppendUint16(binary.LittleEndian.AppendUint16(nil, id), uint16(len(value))), value...)
	}
	name := utf16le("CORP")
	info := bytes.Join([][]byte{pair(2, name), pair(7, []byte{0, 1, 2, 3, 4, 5, 0xda, 1}), pair(0, nil)}, nil)
	field := func(length, offset int) []byte {
		b := binary.LittleEndian.AppendUint16(nil, uint16(length))
		return binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint16(b, uint16(length)), uint32(offset))
	}
	const head = 48
	// Unicode, NTLM, always sign, extended session security, target info.
	flags := binary.LittleEndian.AppendUint32(nil, 0x1|0x200|0x8000|0x80000|0x800000)
	return bytes.Join([][]byte{
		[]byte("NTLMSSP\x00\x02\x00\x00\x00"), field(len(name), head), flags, serverChallenge, make([]byte, 8),
		field(len(info), head+len(name)), name, info,
	}, nil)
}

// squidChallenge is as Squid's ntlm_fake_auth makes it: the name's offset is not set,
// and the name itself stands where the target's information would.
func squidChallenge() []byte {
	b := goodChallenge()[:40]
	copy(b[12:], []byte{9, 0, 9, 0, 0xae, 0xaa, 0xaa, 0xaa})
	return append(b, "WORKGROUP"...)
}

// ntlmAccepts reports whether a message proves the password of CORP\jane.
func ntlmAccepts(message []byte) bool {
	part := func(at int) []byte {
		length, offset := int(binary.LittleEndian.Uint16(message[at:])), int(binary.LittleEndian.Uint32(message[at+4:]))
		return message[offset : offset+length]
	}
	if len(message) < 64 || message[8] != 3 {
		return false
	}
	response, domain, user := part(20), part(28), part(36)
	if len(response) < 16 || !bytes.Equal(domain, utf16le("CORP")) || !bytes.Equal(user, utf16le("jane")) {
		return false
	}
	sum := func(key []byte, data ...[]byte) []byte {
		mac := hmac.New(md5.New, key)
		for _, d := range data {
			mac.Write(d)
		}
		return mac.Sum(nil)
	}
	hash, _ := hex.DecodeString(ntHash)
	key := sum(hash, utf16le("JANE"), domain)
	return hmac.Equal(response[:16], sum(key, serverChallenge, response[16:]))
}

// TestNTLM: the messages pass on one connection, by the strongest scheme that both
// know.
func TestNTLM(t *testing.T) {
	server := echo(t)
	for name, test := range map[string]struct {
		proxy *ntlmProxy
		user  string
		log   string
		conns int
	}{
		"NTLM":                       {&ntlmProxy{scheme: "NTLM", offers: "NTLM"}, `CORP\jane`, ",NTLM 1,NTLM 3", 1},
		"NTLM, in lower case":        {&ntlmProxy{scheme: "NTLM", offers: "ntlm"}, `CORP\jane`, ",NTLM 1,NTLM 3", 1},
		"the strongest":              {&ntlmProxy{scheme: "NTLM", offers: "Basic realm=\"x\"|Negotiate|NTLM"}, `CORP\jane`, ",NTLM 1,NTLM 3", 1},
		"in one header":              {&ntlmProxy{scheme: "NTLM", offers: "Basic realm=\"a, b\", NTLM"}, `CORP\jane`, ",NTLM 1,NTLM 3", 1},
		"Negotiate":                  {&ntlmProxy{scheme: "Negotiate", offers: "Negotiate|Basic realm=x"}, `CORP\jane`, ",Negotiate 1,Negotiate 3", 1},
		"closes after the first":     {&ntlmProxy{scheme: "NTLM", offers: "NTLM", closes: 1}, `CORP\jane`, ",NTLM 1,NTLM 3", 2},
		"and does not say so":        {&ntlmProxy{scheme: "NTLM", offers: "NTLM", closes: 1, lies: true}, `CORP\jane`, ",NTLM 1,NTLM 3", 2},
		"without target information": {&ntlmProxy{scheme: "NTLM", offers: "NTLM", challenge: goodChallenge()[:40]}, `CORP\jane`, ",NTLM 1,NTLM 3", 1},
		"fields out of range":        {&ntlmProxy{scheme: "NTLM", offers: "NTLM", challenge: squidChallenge()}, `CORP\jane`, ",NTLM 1,NTLM 3", 1},
		"Kerberos alone, and Basic":  {&ntlmProxy{scheme: "Negotiate", offers: "Negotiate|Basic realm=x", declines: true}, "u", ",Negotiate 1,Basic", 2},
	} {
		t.Run(name, func(t *testing.T) {
			credentials := Proxies{CredentialsFile: file(t, test.user+":"+ntPassword+"\n")}
			conn, err := reach(t, credentials, "http://"+listen(t, test.proxy.serve), server)
			wantEcho(t, conn, err)
			test.proxy.mu.Lock()
			defer test.proxy.mu.Unlock()
			if got := strings.Join(test.proxy.log, ","); got != test.log || test.proxy.conns != test.conns {
				t.Errorf("got %q on %d connections, want %q on %d", got, test.proxy.conns, test.log, test.conns)
			}
		})
	}
}

// TestNTLMFailures: what goes wrong is told, and a password that is refused is not
// sent another way.
func TestNTLMFailures(t *testing.T) {
	const right = `CORP\jane:` + ntPassword
	good := goodChallenge()
	keyExchange := bytes.Clone(good)
	keyExchange[23] |= 0x40
	pairs := bytes.Clone(good)
	pairs[58] = 0xff // the length of the first
	for name, test := range map[string]struct {
		proxy       *ntlmProxy
		credentials string
		id          cause.ID
		log         string
		want        []string
	}{
		"no credentials": {&ntlmProxy{scheme: "NTLM", offers: "NTLM|Basic realm=x"}, "", cause.ProxyAuthRequired, "", []string{`it offers \"NTLM, Basic\"`}},
		"wrong password": {&ntlmProxy{scheme: "NTLM", offers: "NTLM|Basic realm=x"}, `CORP\jane:hunter2`, cause.ProxyAuthRequired, ",NTLM 1,NTLM 3",
			[]string{"does not accept the user and password in /", `DOMAIN\\user`}},
		"Basic refused":                    {&ntlmProxy{scheme: "x", offers: "Basic realm=x"}, "u:hunter2", cause.ProxyAuthRequired, ",Basic", []string{"does not accept"}},
		"Basic alone, for a domain's user": {&ntlmProxy{scheme: "x", offers: "Basic realm=x"}, right, cause.ProxyAuthRequired, "", []string{"accepts only Basic", "unencrypted"}},
		"Kerberos alone":                   {&ntlmProxy{scheme: "Negotiate", offers: "Negotiate", declines: true}, right, cause.ProxyAuthRequired, ",Negotiate 1", []string{"none of the schemes", `it offers \"Negotiate\"`}},
		"closes":                           {&ntlmProxy{scheme: "NTLM", offers: "NTLM", closes: 2}, right, cause.ConnectionLost, ",NTLM 1", []string{"closed the connection after its NTLM challenge", "keep connections open"}},
		"closes silently":                  {&ntlmProxy{scheme: "NTLM", offers: "NTLM", closes: 2, lies: true}, right, cause.ConnectionLost, ",NTLM 1", []string{"closed the connection after its NTLM challenge"}},
		"nonsense":                         {&ntlmProxy{scheme: "NTLM", offers: "NTLM", challenge: []byte("hunt")}, right, cause.ProxyAuthRequired, ",NTLM 1", []string{"its NTLM challenge cannot be answered"}},
		"not a challenge":                  {&ntlmProxy{scheme: "NTLM", offers: "NTLM", challenge: make([]byte, 100)}, right, cause.ProxyAuthRequired, ",NTLM 1", []string{"cannot be answered"}},
		"key exchange":                     {&ntlmProxy{scheme: "NTLM", offers: "NTLM", challenge: keyExchange}, right, cause.ProxyAuthRequired, ",NTLM 1", []string{"key exchange"}},
		"malformed pairs":                  {&ntlmProxy{scheme: "NTLM", offers: "NTLM", challenge: pairs}, right, cause.ProxyAuthRequired, ",NTLM 1", []string{"cannot be answered"}},
	} {
		t.Run(name, func(t *testing.T) {
			var credentials Proxies
			if test.credentials != "" {
				credentials.CredentialsFile = file(t, test.credentials)
			}
			_, err := reach(t, credentials, "http://"+listen(t, test.proxy.serve), "b.example:4222")
			wantFailure(t, err, cause.Proxy, test.id, test.want...)
			test.proxy.mu.Lock()
			defer test.proxy.mu.Unlock()
			if got := strings.Join(test.proxy.log, ","); got != test.log {
				t.Errorf("the proxy got %q, want %q", got, test.log)
			}
		})
	}
}
