package proxy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/fairlead-io/fairlead/deploy/redact"
	"github.com/fairlead-io/fairlead/subjects/cause"
)

// credentials are a user and a password, and where they are from.
type credentials struct {
	user, password string // the user may be DOMAIN\user
	from           string // for people
	file           bool   // they are from the credentials file
}

// secrets are what the proxy gets and nobody else may see: it may show it in what it
// answers.
func (t *tunnel) secrets() *redact.Known {
	sent := t.sent
	if t.creds != nil {
		sent = append(sent[:len(sent):len(sent)], authorization("Basic", []byte(t.creds.user+":"+t.creds.password)))
	}
	return redact.Secrets(redact.Headers(sent...)...)
}

// said shows what the proxy has sent. A secret may only come together when markup and line
// breaks are taken out.
func (t *tunnel) said(b []byte) string {
	secrets := t.secrets()
	return secrets.Text(cause.Said(secrets.Bytes(b)))
}

// maxCredentials bounds the credentials file, in bytes.
const maxCredentials = 4 << 10

// credentials returns those for a proxy: of the file if there is one, otherwise
// of the proxy's URL, otherwise nil. The file is read each time.
func (p *Proxies) credentials(proxy *url.URL) (*credentials, error) {
	if p.CredentialsFile == "" {
		if proxy.User == nil {
			return nil, nil
		}
		password, _ := proxy.User.Password()
		return &credentials{user: proxy.User.Username(), password: password, from: "in the proxy's URL"}, nil
	}
	content, err := readBounded(p.CredentialsFile, maxCredentials)
	if err == nil {
		var c *credentials
		if c, err = parseCredentials(content); err == nil {
			c.from, c.file = "in "+p.CredentialsFile, true
			return c, nil
		}
	}
	return nil, &cause.Failure{Hop: cause.Proxy, Cause: cause.ProxyConfig,
		Tried: "read the credentials for the proxy from " + p.CredentialsFile, Got: err.Error()}
}

// parseCredentials reads "user:password". Its errors do not show the content.
func parseCredentials(content []byte) (*credentials, error) {
	content = bytes.TrimSuffix(bytes.TrimSuffix(content, []byte("\n")), []byte("\r"))
	user, password, ok := strings.Cut(string(content), ":")
	switch {
	case len(content) == 0:
		return nil, errors.New("the file is empty")
	case !utf8.Valid(content) || strings.ContainsFunc(string(content), unicode.IsControl):
		return nil, errors.New("the file is not one line of text: it holds user:password")
	case !ok || user == "":
		return nil, errors.New("the file does not hold user:password")
	}
	return &credentials{user: user, password: password}, nil
}

// readBounded reads a file of at most limit bytes.
func readBounded(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		var e *os.PathError
		if errors.As(err, &e) {
			err = e.Err // the path stands beside it
		}
		return nil, err
	}
	defer func() { _ = f.Close() }()
	content, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(content)) > limit {
		err = fmt.Errorf("the file is over %d bytes long", limit)
	}
	return content, err
}
