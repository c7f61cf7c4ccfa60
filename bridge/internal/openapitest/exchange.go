package openapitest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// exchange is one request and its response.
type exchange struct {
	*transport
	req       *http.Request
	res       *http.Response
	op        *operation // nil: not described
	described *response  // nil: not described
	status    string     // of described, as the document has it
	mediaType string
}

func (e *exchange) fault(format string, args ...any) {
	const most = 4096 // a body may be large
	text := fmt.Sprintf(format, args...)
	if len(text) > most {
		text = text[:most] + "..."
	}
	e.report(fmt.Sprintf("openapi: %s %s: %d: %s", e.req.Method, e.req.URL.RequestURI(), e.res.StatusCode, text))
}

// checkHead finds the described response, and checks the content type and headers.
func (e *exchange) checkHead() {
	mediaType, _, err := mime.ParseMediaType(e.res.Header.Get("Content-Type"))
	if err != nil {
		mediaType = e.res.Header.Get("Content-Type")
	}
	e.mediaType = mediaType
	if e.op == nil {
		if e.res.StatusCode < 400 || mediaType != problemType {
			e.fault("neither path nor method are described, so that only a problem document is right, not %q", mediaType)
		}
		return
	}
	e.status = strconv.Itoa(e.res.StatusCode)
	e.described = e.op.responses[e.status]
	if e.described == nil {
		e.status = "default"
		e.described = e.op.responses[e.status]
	}
	if e.described == nil || e.status == "default" && e.res.StatusCode < 400 {
		e.fault("the status is not described")
		e.described = nil
		return
	}
	_, known := e.described.schemas[mediaType]
	if empty := len(e.described.schemas) == 0 && mediaType == ""; !known && !empty {
		e.fault("content type %q is not described: want one of %q", mediaType, slices.Collect(maps.Keys(e.described.schemas)))
	}
	for _, h := range e.described.headers {
		values := e.res.Header.Values(h.name)
		if len(values) == 0 {
			if h.required {
				e.fault("lacks header %s", h.name)
			}
			continue
		}
		if err := e.doc.responses.validate(h.schema, decodeText(h.kind, values)); err != nil {
			e.fault("header %s: %v", h.name, err)
		}
	}
	if e.req.Method != http.MethodHead {
		e.doc.note(e.op.pair(e.status))
	}
}

// checkRequest holds a request that has succeeded against the description.
func (e *exchange) checkRequest() {
	query := e.req.URL.Query()
	for name, values := range query {
		p := e.op.parameter("query", name)
		if p == nil && e.req.Context().Value(anyQuery{}) != nil {
			continue
		}
		if p == nil {
			e.fault("the query parameter %s has an effect or is ignored, but is not described", name)
			continue
		}
		if err := e.doc.requests.validate(p.schema, decodeText(p.kind, values)); err != nil {
			e.fault("accepted, though query parameter %s=%q is not as described: %v", name, values, err)
		}
	}
	for _, p := range e.op.parameters {
		absent := p.in == "query" && !query.Has(p.name) || p.in == "header" && e.req.Header.Get(p.name) == ""
		if p.required && absent {
			e.fault("accepted without %s parameter %s, which is required", p.in, p.name)
		}
		if values := e.req.Header.Values(p.name); p.in == "header" && len(values) > 0 {
			if err := e.doc.requests.validate(p.schema, decodeText(p.kind, values)); err != nil {
				e.fault("accepted, though header %s is not as described: %v", p.name, err)
			}
		}
	}
	e.checkPath()
	e.checkSent()
}

func (e *exchange) checkPath() {
	segments := strings.Split(e.req.URL.EscapedPath(), "/")
	for i, want := range strings.Split(e.op.path, "/") {
		name, ok := strings.CutPrefix(want, "{")
		if !ok {
			continue
		}
		p := e.op.parameter("path", strings.TrimSuffix(name, "}"))
		if p == nil {
			e.fault("path parameter %s is not described", want)
			continue
		}
		text, err := url.PathUnescape(segments[i])
		if err == nil {
			err = e.doc.requests.validate(p.schema, decodeText(p.kind, []string{text}))
		}
		if err != nil {
			e.fault("accepted, though path parameter %s is not as described: %v", want, err)
		}
	}
}

// checkSent checks the body that was sent, unless it is a stream.
func (e *exchange) checkSent() {
	var sent []byte
	if e.req.Body != nil && e.req.Body != http.NoBody {
		if e.req.GetBody == nil {
			return
		}
		r, err := e.req.GetBody()
		if err != nil {
			return
		}
		defer r.Close()
		if sent, err = io.ReadAll(r); err != nil {
			return
		}
	}
	switch b := e.op.body; {
	case len(sent) == 0:
		if b != nil && b.required {
			e.fault("accepted without a body, which is required")
		}
	case b == nil:
		e.fault("accepted with a body, which is not described")
	default:
		mediaType, _, _ := mime.ParseMediaType(e.req.Header.Get("Content-Type"))
		if mediaType == "" { // taken for JSON
			mediaType = "application/json"
		}
		pointer, ok := b.schemas[mediaType]
		if !ok {
			e.fault("accepted with content type %q, which is not described", mediaType)
		} else if err := validate(e.doc.requests, pointer, mediaType, sent); err != nil {
			e.fault("accepted, though the body is not as described: %v\n%s", err, sent)
		}
	}
}

func (op *operation) parameter(in, name string) *parameter {
	for i, p := range op.parameters {
		if p.in == in && p.name == name {
			return &op.parameters[i]
		}
	}
	return nil
}

// decodeText makes a value of JSON of a parameter's or a header's text.
func decodeText(kind string, values []string) any {
	switch kind {
	case "integer", "number":
		return json.Number(values[0])
	case "boolean":
		switch values[0] {
		case "true":
			return true
		case "false":
			return false
		}
	case "array":
		var all []any
		for _, v := range values {
			for part := range strings.SplitSeq(v, ",") {
				all = append(all, part)
			}
		}
		return all
	}
	return values[0]
}

// validate checks a body by the schema at pointer, "" if any is right.
func validate(s *schemas, pointer, mediaType string, text []byte) error {
	if pointer == "" {
		return nil
	}
	if mediaType != "application/json" && !strings.HasSuffix(mediaType, "+json") && !itemised(mediaType) {
		return s.validate(pointer, string(text))
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return err
	}
	return s.validate(pointer, v)
}
