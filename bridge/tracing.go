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
	all := make([]attribute.KeyValue, 0, 16)
	if rec.Route != "" {
		s.Name(span.MethodName(r.Method) + " " + rec.Route)
		all = append(all, semconv.HTTPRoute(rec.Route))
	}
	all = append(all,
		span.RequestID.String(rec.ID),
		span.Method(r.Method),
		span.Path(r.URL.EscapedPath()), // of a request target that is a URL, without user and host
		semconv.URLScheme(schemeOf(r)),
		span.Text(semconv.ServerAddressKey, r.Host),
		span.Text(semconv.ClientAddressKey, hostOnly(rec.Remote)),
		semconv.NetworkProtocolVersion(protocolVersion(r)),
		span.Text(semconv.UserAgentOriginalKey, r.Header.Get("User-Agent")),
	)
	if rec.Status != 0 {
		all = append(all, semconv.HTTPResponseStatusCode(rec.Status))
	}
	all = destination(all, rec)
	code, fault := rec.Ended()
	if code == "" && rec.Status >= http.StatusInternalServerError { // the API server's own
		code, fault = strconv.Itoa(rec.Status), true
	}
	if code != "" {
		all = append(all, span.ErrorType.String(code))
	}
	s.Set(all...)
	if fault && (rec.Status >= http.StatusInternalServerError || rec.Failure == nil) {
		s.Fail(code)
	}
	s.End()
}

// destination adds which cluster a request was for, and what an API server makes of it.
func destination(all []attribute.KeyValue, rec *answer.Record) []attribute.KeyValue {
	if rec.Cluster == "" {
		return all
	}
	all = append(all, span.Text(span.Cluster, rec.Cluster))
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
