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

// validToken reports whether s is a token of RFC 9110 section 5.6.2.
func validToken(s string) bool {
	for i := range len(s) {
		if !tokenChar[s[i]] {
			return false
		}
	}
	return len(s) > 0
}

var tokenChar = func() (t [256]bool) {
	for c := 'a'; c <= 'z'; c++ {
		t[c], t[c-'a'+'A'] = true, true
	}
	for _, c := range "0123456789!#$%&'*+-.^_`|~" {
		t[c] = true
	}
	return t
}()

// validValue reports whether s may be a field value: no control characters
// but tab.
func validValue(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}
