package subjects

import (
	"net/http"
	"net/url"
	"strings"
)

// IsWatch reports whether a request, given by its method and its origin-form
// target, is a watch as an API server understands it: the query has a true
// "watch", or the path is one of the deprecated /watch/ paths. A watch never
// ends by itself before the API server's time-out of half an hour and more,
// and its client resumes it where it ended.
//
// A request to an application behind the API server (the proxy subresource) is
// not a watch, whatever its query says: nothing is known of how its client
// takes an early end.
func IsWatch(method, target string) bool {
	if method != http.MethodGet {
		return false
	}
	path, query, _ := strings.Cut(target, "?")
	return watchPath(path) || isTrue(query, "watch") && !proxied(path)
}

// IsLong reports whether a request, given by its method and its origin-form
// target, runs until its caller ends it: a watch, a followed log, or a session in a
// pod (exec, attach, port-forward).
func IsLong(method, target string) bool {
	path, query, _ := strings.Cut(target, "?")
	switch method {
	case http.MethodGet:
		if watchPath(path) || isTrue(query, "follow") || isTrue(query, "watch") && !proxied(path) {
			return true
		}
	case http.MethodPost:
	default:
		return false
	}
	resource, rest := core(path)
	return resource == "pods" && (rest == "exec" || rest == "attach" || rest == "portforward")
}

// isTrue reads a boolean from a query as API servers do (apimachinery's
// Convert_Slice_string_To_bool upon url.Values): absent, "0" and "false" in any
// case are false, everything else is true, no value included. The first value
// counts; a pair that [url.ParseQuery] cannot parse does not. It allocates
// nothing unless a pair in question holds an escape.
func isTrue(query, name string) bool {
	for query != "" {
		var pair string
		pair, query, _ = strings.Cut(query, "&")
		key, value, _ := strings.Cut(pair, "=")
		if !named(key, name) || strings.Contains(pair, ";") {
			continue
		}
		value, err := url.QueryUnescape(value)
		if err != nil {
			continue
		}
		return value != "0" && !strings.EqualFold(value, "false")
	}
	return false
}

// named reports whether an escaped key stands for name.
func named(key, name string) bool {
	if len(key) <= len(name) || !strings.Contains(key, "%") {
		return key == name
	}
	plain, err := url.QueryUnescape(key)
	return err == nil && plain == name
}

// watchPath reports whether path is /api/VERSION/watch/... or
// /apis/GROUP/VERSION/watch/...
func watchPath(path string) bool {
	rest, ok := strings.CutPrefix(path, "/api/")
	if !ok {
		if rest, ok = strings.CutPrefix(path, "/apis/"); !ok {
			return false
		}
		_, rest, _ = strings.Cut(rest, "/")
	}
	_, rest, _ = strings.Cut(rest, "/")
	return strings.HasPrefix(rest, "watch/")
}

// proxied reports whether path leads to an application behind the API server.
func proxied(path string) bool {
	resource, rest := core(path)
	switch resource {
	case "nodes", "pods", "services":
		return rest == "proxy" || strings.HasPrefix(rest, "proxy/")
	}
	return false
}

// core splits the path of an object of the core group: its resource, and what
// follows its name. Both are "" for any other path.
func core(path string) (resource, rest string) {
	path, ok := strings.CutPrefix(path, "/api/v1/")
	if !ok {
		return "", ""
	}
	if in, ok := strings.CutPrefix(path, "namespaces/"); ok {
		if _, path, ok = strings.Cut(in, "/"); !ok {
			return "", ""
		}
	}
	resource, path, _ = strings.Cut(path, "/")
	_, rest, _ = strings.Cut(path, "/")
	return resource, rest
}
