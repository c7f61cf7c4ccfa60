package doctor

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/deploy/diagnosis"
	"github.com/fairlead-io/fairlead/subjects/cause/classify"
)

const (
	// probePath is one that no bridge serves, and that nothing on the way may change. The
	// bridge's 404 shows it as it has arrived.
	probePath = "/doctor%2Fprobe//x"
	// probeBody is the length in bytes of an upload: nginx permits 1 MiB by default.
	probeBody = 2 << 20
	// maxFrontAnswer bounds how much of a response is read, in bytes.
	maxFrontAnswer = 16 << 10
)

// frontLook asks the bridge by its public URL, as callers do, for what it does not serve.
type frontLook struct {
	cfg    *Config
	client *http.Client
	check  *diagnosis.Check
}

// lookAtFront looks at the proxy in front of the bridge, by what the bridge answers
// through it. A public URL that is not reached from here proves nothing.
func (c *Config) lookAtFront(ctx context.Context) *diagnosis.Target {
	t := diagnosis.New("public URL "+c.PublicURL, "front", diagnosis.Front)
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	transport := &http.Transport{
		DisableKeepAlives: true, ForceAttemptHTTP2: true,
		TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: c.publicRoots()},
	}
	f := &frontLook{cfg: c, check: t.Checks[0], client: &http.Client{
		Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	if f.path(ctx) && f.upload(ctx) {
		f.check.Pass("the bridge answers there; paths arrive as they were sent, and a body of 2 MiB is not refused on the way")
	}
	return t
}

// publicRoots are the CAs that callers verify the public URL with; nil: the system's.
func (c *Config) publicRoots() *x509.CertPool {
	if len(c.PublicCA) == 0 {
		return nil
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(c.PublicCA) // the bridge has judged the file
	return pool
}

// ask sends a request for the probe's path. from is the bridge's code in the response, ""
// for one that is not the bridge's.
func (f *frontLook) ask(ctx context.Context, method string, body []byte) (res *http.Response, from, text string, err error) {
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimRight(f.cfg.PublicURL, "/")+probePath, bytes.NewReader(body))
	if err != nil {
		return nil, "", "", err
	}
	if res, err = f.client.Do(req); err != nil {
		return nil, "", "", err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(io.LimitReader(res.Body, maxFrontAnswer))
	return res, res.Header.Get(answer.Header), string(b), err
}

// path reports whether the bridge answers, and sees the path as it was sent.
func (f *frontLook) path(ctx context.Context) bool {
	res, from, text, err := f.ask(ctx, http.MethodGet, nil)
	switch {
	case err != nil:
		f.check.Skip("not looked at, since it is not reached from here: " + classify.Text(err))
		return false
	case from == "":
		f.check.Fault("something else than the bridge answers at the public URL", fmt.Sprintf("%s: %.200s", res.Status, text),
			"Check the host and path of --public-url, and the address of the bridge in the proxy in front of it (deploy/nginx).")
		return false
	}
	var problem struct{ Detail string }
	if json.Unmarshal([]byte(text), &problem) == nil && strings.Contains(problem.Detail, probePath) {
		return true
	}
	f.check.Fault("the proxy in front changes paths", fmt.Sprintf("asked for %s; the bridge answers: %s", probePath, problem.Detail),
		"Leave the path out of proxy_pass, even a slash: nginx decodes and cleans paths otherwise, and applications behind the service proxy see others (deploy/nginx).")
	return false
}

// upload reports whether a body that is larger than nginx permits by default reaches the
// bridge. Where the connection breaks since the bridge has answered early, it does.
func (f *frontLook) upload(ctx context.Context) bool {
	res, from, text, err := f.ask(ctx, http.MethodPost, make([]byte, probeBody))
	if err != nil || from != "" || res.StatusCode != http.StatusRequestEntityTooLarge {
		return true
	}
	f.check.Fault("the proxy in front limits the size of uploads", fmt.Sprintf("a body of 2 MiB: %s: %.200s", res.Status, text),
		"Set client_max_body_size 0 in the bridge's location (deploy/nginx). Until then callers get this answer for a larger body, and the bridge does not see the request.")
	return false
}
