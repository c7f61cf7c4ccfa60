package span

import (
	"net/http"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
)

// Attributes of Fairlead's own, the same in all processes.
const (
	RequestID = attribute.Key("fairlead.request.id") // X-Request-Id, as in logs and audit
	Tenant    = attribute.Key("fairlead.tenant")
	Cluster   = attribute.Key("fairlead.cluster")  // as the caller wrote it
	Instance  = attribute.Key("fairlead.instance") // of the agent
	Issuer    = attribute.Key("fairlead.issuer")   // its name in the configuration
)

// ErrorType is the class of a failure: a code of ours, or a status.
const ErrorType = semconv.ErrorTypeKey

// Method is a method as an attribute. One that HTTP does not know is kept out, as the
// conventions say: a caller could make up any number of them.
func Method(method string) attribute.KeyValue {
	return semconv.HTTPRequestMethodKey.String(known(method))
}

// MethodName is a method as it stands in the name of a span.
func MethodName(method string) string {
	if known(method) != method {
		return "HTTP"
	}
	return method
}

func known(method string) string {
	switch method {
	case http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodHead, http.MethodOptions,
		http.MethodConnect, http.MethodTrace:
		return method
	}
	return "_OTHER"
}

// Path is the path of a request target, without its query.
func Path(target string) attribute.KeyValue {
	path, _, _ := strings.Cut(target, "?")
	return Text(semconv.URLPathKey, path)
}

// maxText bounds what a caller or a cluster can put into an attribute, in bytes.
const maxText = 512

// Text is a string that comes from outside as an attribute: bounded, and valid UTF-8,
// without which protobuf could not encode any of the spans that are exported together.
func Text(key attribute.Key, s string) attribute.KeyValue {
	if len(s) > maxText {
		s = s[:maxText]
	}
	return key.String(strings.ToValidUTF8(s, "\uFFFD"))
}
