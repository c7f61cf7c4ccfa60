package bridge

import (
	"net"
	"net/http"
	"strconv"

	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/deploy/requestinfo"
	"github.com/fairlead-io/fairlead/deploy/tracing/span"
)

// endSpan ends the span of a request, by the semantic conventions of HTTP servers. Who
// the caller was is in the audit event of the same request id, and in no span.
func endSpan(rec *answer.Record, r *http.Request) {
	s := rec.Span
	if !s.Recording() {
		s.End()
		return
	}
	if rec.Route != "" {
		s.Name(span.MethodName(r.Method) + " " + rec.Route)
		s.Set(semconv.HTTPRoute(rec.Route))
	}
	s.Set(
		span.RequestID.String(rec.ID),
		span.Method(r.Method),
		span.Path(r.URL.EscapedPath()), // of a request target that is a URL, without user and host
		semconv.URLScheme(schemeOf(r)),
		span.Text(semconv.ServerAddressKey, r.Host),
		span.Text(semconv.ClientAddressKey, hostOnly(rec.Remote)),
		semconv.NetworkPeerAddress(hostOnly(r.RemoteAddr)),
		semconv.NetworkProtocolVersion(protocolVersion(r)),
		span.Text(semconv.UserAgentOriginalKey, r.Header.Get("User-Agent")),
	)
	if rec.Status != 0 {
		s.Set(semconv.HTTPResponseStatusCode(rec.Status))
	}
	s.Set(destination(rec)...)
	code, fault := rec.Ended()
	if code != "" {
		s.Set(span.ErrorType.String(code))
	} else if rec.Status >= http.StatusInternalServerError { // the API server's own
		code, fault = strconv.Itoa(rec.Status), true
		s.Set(span.ErrorType.String(code))
	}
	if fault && (rec.Status >= http.StatusInternalServerError || rec.Failure == nil) {
		s.Fail(code)
	}
	s.End()
}

// destination says which cluster a request was for, and what an API server makes of it.
func destination(rec *answer.Record) []attribute.KeyValue {
	if rec.Cluster == "" {
		return nil
	}
	all := []attribute.KeyValue{span.Text(span.Cluster, rec.Cluster)}
	if rec.Request == nil {
		return all
	}
	info, err := rec.Request.Info()
	if err != nil {
		return all
	}
	all = append(all, span.Text("fairlead.verb", info.Verb))
	if info.IsResource {
		all = append(all, span.Text("fairlead.resource", resourceOf(info)), span.Text("fairlead.namespace", info.Namespace))
	}
	return all
}

// resourceOf is a resource as Kubernetes' own rules write it: pods/exec,
// deployments.apps.
func resourceOf(info *requestinfo.Info) string {
	name := info.Resource
	if info.APIGroup != "" {
		name += "." + info.APIGroup
	}
	if info.Subresource != "" {
		name += "/" + info.Subresource
	}
	return name
}

func schemeOf(r *http.Request) string {
	if r.TLS == nil {
		return "http"
	}
	return "https"
}

func protocolVersion(r *http.Request) string {
	if r.ProtoMajor == 2 {
		return "2"
	}
	return strconv.Itoa(r.ProtoMajor) + "." + strconv.Itoa(r.ProtoMinor)
}

func hostOnly(address string) string {
	if host, _, err := net.SplitHostPort(address); err == nil {
		return host
	}
	return address
}
