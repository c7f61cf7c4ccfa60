package load

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"
)

// The operations of a [Job].
const (
	// OpUnary has Conns connections ask for small answers, each connection one
	// after the other, for Millis, or Requests times if that is given; with a Rate at
	// most so many a second in all.
	OpUnary = "unary"
	// OpDownload has Conns connections fetch Bytes in all.
	OpDownload = "download"
	// OpUpload has Conns connections send Bytes in all.
	OpUpload = "upload"
	// OpBeside has one connection ask for small answers for Millis while Conns
	// others fetch without end, which are then cut.
	OpBeside = "beside"
	// OpWatch has Conns connections read events for Millis, an event each
	// Interval milliseconds on each connection.
	OpWatch = "watch"
	// OpHold opens Conns quiet watches and keeps them until OpRelease.
	OpHold = "hold"
	// OpRelease ends what OpHold opened.
	OpRelease = "release"
)

// Paths of the upstream, below a target's base URL. They look like an API server's,
// since a tunnel may treat watches differently.
const (
	PathUnary  = "/api/v1/namespaces/bench/configmaps/small"
	PathBulk   = "/api/v1/namespaces/bench/configmaps/bulk"
	PathSink   = "/api/v1/namespaces/bench/configmaps/sink"
	PathWatch  = "/api/v1/namespaces/bench/events"
	PathActive = "/bench/active" // asked of the upstream directly
)

const (
	// MaxConns bounds the connections of one job: each is a file descriptor in
	// up to five processes, whose limit is often 20,000.
	MaxConns = 5000
	// Grace is how much longer than its own time a job may take.
	Grace = 20 * time.Second
)

// Job is one thing to measure.
type Job struct {
	Op       string `json:"op"`
	URL      string `json:"url"`             // base URL of the target; with https it is spoken to in HTTP/2
	CA       string `json:"ca,omitempty"`    // file of the CA for https
	Token    string `json:"token,omitempty"` // bearer token; every target gets the same bytes
	Conns    int    `json:"conns"`
	Millis   int    `json:"millis,omitempty"`
	Bytes    int64  `json:"bytes,omitempty"`
	Requests int    `json:"requests,omitempty"`
	Rate     int    `json:"rate,omitempty"`     // requests a second; 0: no limit
	Interval int    `json:"interval,omitempty"` // milliseconds
	// Upstream is the upstream's own base URL. If it is given, jobs that cut
	// streams wait until the upstream serves no stream.
	Upstream string `json:"upstream,omitempty"`
}

// Result is the result of a job. Fields that an operation does not measure are 0.
type Result struct {
	Count   int     `json:"count"`             // answers, or events
	Seconds float64 `json:"seconds"`           // from the first byte sent to the last received
	P50     float64 `json:"p50_us,omitempty"`  // microseconds
	P99     float64 `json:"p99_us,omitempty"`  //
	Bytes   int64   `json:"bytes,omitempty"`   // of bodies
	Cancel  float64 `json:"cancel,omitempty"`  // seconds until the upstream saw that streams were cut
	Message string  `json:"message,omitempty"` // why the job failed; "" if it did not
}

// Rate is answers (or events) per second.
func (r Result) Rate() float64 { return perSecond(float64(r.Count), r.Seconds) }

// MiBps is MiB per second.
func (r Result) MiBps() float64 { return perSecond(float64(r.Bytes)/(1<<20), r.Seconds) }

func perSecond(n, seconds float64) float64 {
	if seconds <= 0 {
		return 0
	}
	return n / seconds
}

func (j Job) duration() time.Duration { return time.Duration(j.Millis) * time.Millisecond }

// validate returns an error that names the first invalid field.
func (j Job) validate() error {
	switch {
	case j.Conns < 1 || j.Conns > MaxConns:
		return fmt.Errorf("conns: %d is not between 1 and %d", j.Conns, MaxConns)
	case j.Millis < 0 || j.Millis > 60_000:
		return fmt.Errorf("millis: %d is not between 0 and a minute", j.Millis)
	case j.Requests < 0 || j.Requests > 1_000_000:
		return fmt.Errorf("requests: %d is not between 0 and a million", j.Requests)
	case j.Rate < 0 || j.Rate > 1_000_000:
		return fmt.Errorf("rate: %d is not between 0 and a million", j.Rate)
	case j.Bytes < 0:
		return errors.New("bytes: must not be negative")
	}
	return nil
}

// target is where requests go.
type target struct {
	scheme string
	addr   string // host:port
	prefix string // path before those of the upstream
	token  string
	ca     string // file
	// apart keeps requests off the connection of the others, in HTTP/2.
	apart bool
}

func parseTarget(j Job) (target, error) {
	u, err := url.Parse(j.URL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" {
		return target{}, fmt.Errorf("target %q is not like http://127.0.0.1:8080/prefix", j.URL)
	}
	addr := u.Host
	if u.Port() == "" {
		addr = net.JoinHostPort(u.Hostname(), map[string]string{"http": "80", "https": "443"}[u.Scheme])
	}
	if err := checkLoopback(addr); err != nil {
		return target{}, err
	}
	prefix := u.EscapedPath()
	for len(prefix) > 0 && prefix[len(prefix)-1] == '/' {
		prefix = prefix[:len(prefix)-1]
	}
	return target{scheme: u.Scheme, addr: addr, prefix: prefix, token: j.Token, ca: j.CA}, nil
}

func checkLoopback(addr string) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("address %q: %w", addr, err)
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return fmt.Errorf("address %q is not on loopback, and only that is measured", addr)
	}
	return nil
}

// request is a request that can be made many times.
type request struct {
	method string
	length int64 // of the body; -1: none

	head []byte // for HTTP/1.1

	url    string // for HTTP/2
	header http.Header
}

// request returns a request without body (length -1), or with one of length bytes.
func (t target) request(method, path string, length int64) *request {
	r := &request{method: method, length: length, url: t.scheme + "://" + t.addr + t.prefix + path}
	fields := []string{"User-Agent", "fairlead-bench", "Accept", "application/json"}
	if t.token != "" {
		fields = append(fields, "Authorization", "Bearer "+t.token)
	}
	if length >= 0 {
		fields = append(fields, "Content-Type", "application/octet-stream")
	}
	r.header = make(http.Header)
	r.head = fmt.Appendf(make([]byte, 0, 512), "%s %s%s HTTP/1.1\r\nHost: %s\r\n", method, t.prefix, path, t.addr)
	for i := 0; i < len(fields); i += 2 {
		r.header.Set(fields[i], fields[i+1])
		r.head = fmt.Appendf(r.head, "%s: %s\r\n", fields[i], fields[i+1])
	}
	if length >= 0 {
		r.head = fmt.Appendf(r.head, "Content-Length: %d\r\n", length)
	}
	r.head = append(r.head, "\r\n"...)
	return r
}
