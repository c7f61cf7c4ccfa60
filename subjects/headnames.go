package subjects

// staticNames are header names written as one byte. The table belongs to the
// protocol version: a new entry, which is only ever appended, needs a new one.
var staticNames = [...]string{
	"", "Accept", "Accept-Encoding", "Content-Type", "Content-Length", "User-Agent", "Date",
	"Audit-Id", "Cache-Control", "X-Kubernetes-Pf-Flowschema-Uid", "X-Kubernetes-Pf-Prioritylevel-Uid",
	"Content-Encoding", "Vary", "Etag", "If-None-Match", "If-Match", "Last-Modified", "Location",
	"Connection", "Upgrade", "Sec-Websocket-Key", "Sec-Websocket-Version", "Sec-Websocket-Protocol",
	"Sec-Websocket-Accept", "Sec-Websocket-Extensions", "X-Stream-Protocol-Version", "Warning",
	"Retry-After", "Kubectl-Command", "Kubectl-Session", "Traceparent", "Tracestate",
	"Impersonate-User", "Impersonate-Group", "Impersonate-Uid", "X-Request-Id", "X-Content-Type-Options",
	"Strict-Transport-Security", "Www-Authenticate", "Trailer", "Range", "Content-Range", "Accept-Ranges",
	"X-Accepted-Response-Headers", "Server", "Origin", "Allow", "Expires",
}

var staticIndex = func() map[string]byte {
	m := make(map[string]byte, len(staticNames))
	for i, n := range staticNames[1:] {
		m[n] = byte(i + 1)
	}
	return m
}()
