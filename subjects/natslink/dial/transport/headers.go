package transport

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"golang.org/x/net/http/httpguts"

	"github.com/fairlead-io/fairlead/subjects"
)

// maxHeaders bounds the headers of a handshake, in bytes: less than web servers accept
// (nginx: 8 KiB a line, 32 KiB in sum).
const maxHeaders = 16 << 10

// parseHeaders reads headers of the form "Name: value". Errors do not show values; prefix
// begins the names of flags in them.
func parseHeaders(prefix string, given []string) (http.Header, error) {
	h, size := make(http.Header), 0
	for i, one := range given {
		name, value, err := parseHeader(prefix, one)
		if err != nil {
			return nil, fmt.Errorf("number %d: %w", i+1, err)
		}
		h[name] = append(h[name], value)
		size += len(one)
	}
	return h, check(h, size)
}

// parseHeaderFile reads a header a line. Empty lines and those that begin with # are
// left out.
func parseHeaderFile(prefix string, content []byte) (http.Header, error) {
	h, n := make(http.Header), 0
	for line := range strings.Lines(string(content)) {
		n++
		if line = strings.TrimRight(line, "\r\n"); strings.TrimSpace(line) == "" || line[0] == '#' {
			continue
		}
		name, value, err := parseHeader(prefix, line)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		h[name] = append(h[name], value)
	}
	return h, check(h, len(content))
}

func check(h http.Header, size int) error {
	if len(h["Host"]) > 1 {
		return errors.New("more than one header Host")
	}
	if size > maxHeaders {
		return fmt.Errorf("over %d bytes in sum", maxHeaders)
	}
	return nil
}

func parseHeader(prefix, s string) (name, value string, err error) {
	name, value, ok := strings.Cut(s, ":")
	if !ok || !httpguts.ValidHeaderFieldName(name) {
		return "", "", errors.New("not of the form 'Name: value'")
	}
	name, value = http.CanonicalHeaderKey(name), strings.Trim(value, " \t")
	if !httpguts.ValidHeaderFieldValue(value) {
		return "", "", fmt.Errorf("the value of %s has control characters", name)
	}
	return name, value, permitted(prefix, name)
}

// permitted reports why a header cannot be sent.
func permitted(prefix, name string) error {
	switch {
	case strings.HasPrefix(name, "Sec-Websocket-"):
		return fmt.Errorf("%s is part of the WebSocket handshake itself", name)
	case name == "Proxy-Authorization":
		return fmt.Errorf("%s is for a forward proxy: see --%sproxy-credentials", name, prefix)
	case subjects.HopByHop(name), slices.Contains(framing, name):
		return fmt.Errorf("%s concerns the connection, and cannot be set", name)
	}
	return nil
}

// framing are the headers that say where a message ends and when it is sent.
var framing = []string{"Content-Length", "Expect", "Trailer"}
