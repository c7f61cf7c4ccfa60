package span

import (
	"net/url"
	"strconv"

	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
)

// Request sets what the conventions ask for of a request that s is the span of: method,
// path, and the server's name and port; neither query nor user.
func (s *Span) Request(method string, u *url.URL) {
	if !s.Recording() {
		return
	}
	port := 443
	if u.Scheme == "http" {
		port = 80
	}
	if given, err := strconv.Atoi(u.Port()); err == nil {
		port = given
	}
	s.Set(Method(method), Path(u.EscapedPath()), Text(semconv.ServerAddressKey, u.Hostname()), semconv.ServerPort(port))
}

// Answered sets the status of the response.
func (s *Span) Answered(status int) {
	if s.Recording() {
		s.Set(semconv.HTTPResponseStatusCode(status))
	}
}

// FailAs is [Span.Fail] with the code as the class of the error too.
func (s *Span) FailAs(code string) {
	if s.Recording() {
		s.Set(ErrorType.String(code))
		s.Fail(code)
	}
}
