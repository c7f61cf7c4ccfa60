package redact

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"html"
	"net/url"
	"strings"
	"testing"
)

// TestSecretsComeBack: whatever common form another end shows a secret in, it is not
// shown, and the rest of the text is.
func TestSecretsComeBack(t *testing.T) {
	const password = `p@ss "W"ord/&<é>+1`
	k := Secrets("corp:"+password, password)
	for name, form := range map[string]string{
		"plain":          password,
		"upper case":     strings.ToUpper(password),
		"login":          base64.StdEncoding.EncodeToString([]byte("corp:" + password)),
		"other login":    base64.StdEncoding.EncodeToString([]byte("me" + password + "\n")),
		"login for URLs": base64.RawURLEncoding.EncodeToString([]byte("x" + password)),
		"hex":            hex.EncodeToString([]byte(password)),
		"hex, upper":     fmt.Sprintf("%X", password),
		"query":          url.QueryEscape(password),
		"path":           url.PathEscape(password),
		"HTML":           html.EscapeString(password),
		"JSON":           `p@ss \"W\"ord/\u0026\u003cé\u003e+1`,
	} {
		got := k.Text("You sent " + form + ", which is wrong.")
		if rest := strings.ReplaceAll(got, Shown, ""); len(rest) > len("You sent , which is wrong.")+8 {
			t.Errorf("%s: shown as %q", name, got)
		}
		if !strings.HasPrefix(got, "You sent ") || !strings.HasSuffix(got, ", which is wrong.") {
			t.Errorf("%s: the text around it is lost: %q", name, got)
		}
		for n := 9 + 4; n < 9+len(form); n++ {
			if cut := k.Text(("You sent " + form)[:n]); len(strings.ReplaceAll(cut, Shown, "")) > 9+6 {
				t.Errorf("%s: cut off, it is shown as %q", name, cut)
			}
		}
	}
}

// TestEscapedSecrets: however a platform escapes a secret, it is not shown, and neither is
// the beginning of one that was cut off.
func TestEscapedSecrets(t *testing.T) {
	for password, pages := range map[string][]string{
		`pass"word1`:   {`pass&quot;word1`, `pass&#34;word1`, `pass&#x22;word1`, `pass&#034;word1`, `pass&QUOTword1`, `pass\"word1`, `pass\u0022word1`, `pass\x22word1`, `pass%22word1`},
		`it's-mine`:    {`it&#x27;s-mine`, `it&apos;s-mine`, `it&#039;s-mine`, `it\'s-mine`, `it\u0027s-mine`},
		`Grüße<&>Köln`: {`Gr\u00fc\u00dfe&lt;&amp;&gt;K\u00F6ln`, `Gr&uuml;&szlig;e&lt;&amp;&gt;K&ouml;ln`, `Gr%C3%BC%c3%9fe%3C%26%3EK%C3%B6ln`, `Gr&#xfc;&#223;e\u003c\u0026\u003eK&#246;ln`},
		`a/b/c/d=`:     {`a\/b\/c\/d=`, `a&#x2F;b&#x2F;c&#x2F;d&#x3D;`, `a%2fb%2fc%2fd%3d`},
		`key🔑key`:      {`key\ud83d\udd11key`, `key&#128273;key`, `key&#x1F511;key`},
		`long-p&q"r<s`: {`long-p&amp;q&quot;r&lt;s`, `long-p\u0026amp;q\u0026quot;r\u0026lt;s`, `long-p%26amp%3Bq%26quot%3Br%26lt%3Bs`},
	} {
		k := Secrets(password)
		for _, page := range pages {
			if got := k.Text("You sent " + page + ", 100% wrong & \\o/ &c."); got != "You sent [redacted], 100% wrong & \\o/ &c." {
				t.Errorf("%q: %s is shown as %q", password, page, got)
			}
			for n := len(page) - 1; n > len(page)/2 && password != `key🔑key`; n-- { // whose half is too short
				if got := k.Text("You sent " + page[:n]); len(got) > len("You sent [redacted]")+3 && len(strings.ReplaceAll(got, Shown, "")) > len("You sent ")+6 {
					t.Errorf("%q: cut off, %s is shown as %q", password, page[:n], got)
				}
			}
		}
	}
}

// TestSchemeIsNoSecret: the address in a header hides no other address.
func TestSchemeIsNoSecret(t *testing.T) {
	k := Secrets(Headers("https://hooks.acme.com/0123456789", "url=https://hooks.acme.com/0123456789")...)
	for text, want := range map[string]string{
		"see https://docs.example.org":               "see https://docs.example.org",
		"it speaks https:":                           "it speaks https:",
		"no route to //hooks.acme.com/0123456789 ok": "no route to [redacted] ok",
	} {
		if got := k.Text(text); got != want {
			t.Errorf("%q is shown as %q", text, got)
		}
	}
}

// TestHeaderSecrets: a header's value is secret as a whole and in its parts.
func TestHeaderSecrets(t *testing.T) {
	k := Secrets(Headers("Bearer abcdefgh12345678", "session=0123456789abcdef; theme=dark", "Basic "+base64.StdEncoding.EncodeToString([]byte("me:hunter22")))...)
	for _, text := range []string{"token abcdefgh12345678", `{"session": "0123456789abcdef"}`, "password hunter22", "me:hunter22"} {
		if got := k.Text(text); !strings.Contains(got, Shown) || strings.Contains(got, "12345678") || strings.Contains(got, "hunter") {
			t.Errorf("%q is shown as %q", text, got)
		}
	}
	if got := k.Text("404 page not found: nginx/1.22.1"); strings.Contains(got, Shown) {
		t.Errorf("a text without secrets is shown as %q", got)
	}
}

// TestDigestSecrets: of Digest the page of a proxy keeps its own words and the address that
// was asked for, and not what was made of the password, nor the user.
func TestDigestSecrets(t *testing.T) {
	const sent = `Digest username="CORP\\frederick", realm="Squid proxy", nonce="bm9uY2Utb2YtdGhlLXByb3h5", uri="broker.acme.com:443", ` +
		`response="6629fae49393a05397450978507c4ef1", cnonce="0a4f113b0a4f113b", qop=auth, nc=00000001, algorithm=MD5`
	k := Secrets(Headers(sent)...)
	page := "While trying to retrieve the URL: broker.acme.com:443 of Squid proxy, algorithm=MD5: Cache Access Denied"
	if got := k.Text(page); got != page {
		t.Errorf("shown as %q", got)
	}
	for _, secret := range []string{`CORP\frederick`, "frederick", "6629fae49393a05397450978507c4ef1", "0a4f113b0a4f113b"} {
		if got := k.Text(sent + " and " + secret); strings.Contains(got, secret) || !strings.Contains(got, "broker.acme.com:443") {
			t.Errorf("%s: shown as %q", secret, got)
		}
	}
}

// TestNoSecrets: what is too short to be told from other text hides nothing.
func TestNoSecrets(t *testing.T) {
	if k := Secrets("", "abc"); k != nil || k.Text("abc") != "abc" || string(k.Bytes([]byte("abc"))) != "abc" {
		t.Error("a short text is taken for a secret")
	}
}
