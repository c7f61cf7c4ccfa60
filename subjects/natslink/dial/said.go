package dial

import (
	"net/http"
	"time"

	"github.com/fairlead-io/fairlead/deploy/redact"
	"github.com/fairlead-io/fairlead/subjects/cause"
)

// Bounds of what is read of a server in order to show it.
const (
	maxBody  = 512         // bytes of the body of a refusal
	bodyTime = time.Second // the wait for it
	maxFirst = 160         // bytes of the beginning of another protocol
)

// statusOf shows a status as HTTP names it.
func statusOf(resp *http.Response) string { return cause.Status(resp.StatusCode) }

// said shows what a server has sent, without what the dialer has sent to it: pages that
// show the request are common.
func (d *Dialer) said(b []byte) string { return cause.Said(d.secrets().Bytes(b)) }

// secrets are what the dialer sends and nobody else may see: values of headers, and the
// query of the server's URL.
func (d *Dialer) secrets() *redact.Known {
	var all []string
	for name, values := range d.Header {
		if name != "Host" && name != "Origin" && name != "User-Agent" {
			all = append(all, redact.Headers(values...)...)
		}
	}
	if d.Server.RawQuery != "" {
		all = append(all, d.Server.RawQuery)
		for _, values := range d.Server.Query() {
			all = append(all, values...)
		}
	}
	return redact.Secrets(all...)
}
