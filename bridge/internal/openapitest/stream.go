package openapitest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

const (
	problemType = "application/problem+json"
	linesType   = "application/x-ndjson"
	eventsType  = "text/event-stream"
)

// mostBody bounds what is kept of a response; one that is larger is not checked.
const mostBody = 64 << 20

func itemised(mediaType string) bool { return mediaType == linesType || mediaType == eventsType }

// watch returns a body that is checked while it is read.
func (e *exchange) watch(body io.ReadCloser) io.ReadCloser {
	return &watched{ReadCloser: body, exchange: e}
}

// watched checks what is read of a response: items as they come, other bodies at the end.
type watched struct {
	io.ReadCloser
	exchange *exchange
	text     []byte // not yet checked
	data     []byte // of the event that is being read
	done     bool
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.ReadCloser.Read(p)
	if w.done {
		return n, err
	}
	w.text = append(w.text, p[:n]...)
	if itemised(w.exchange.mediaType) {
		w.lines()
	}
	if errors.Is(err, io.EOF) {
		w.done = true
		w.end()
	} else if len(w.text) > mostBody {
		w.done, w.text = true, nil
	}
	return n, err
}

// lines takes the whole lines of text.
func (w *watched) lines() {
	for {
		line, rest, ok := bytes.Cut(w.text, []byte("\n"))
		if !ok {
			return
		}
		w.text = rest
		if w.exchange.mediaType == linesType {
			w.item(line)
			continue
		}
		line = bytes.TrimSuffix(line, []byte("\r"))
		if data, ok := bytes.CutPrefix(line, []byte("data:")); ok {
			w.data = append(append(w.data, bytes.TrimPrefix(data, []byte(" "))...), '\n')
		} else if len(line) == 0 && w.data != nil {
			w.item(w.data)
			w.data = nil
		}
	}
}

func (w *watched) item(text []byte) {
	e := w.exchange
	if err := validate(e.doc.responses, e.described.schemas[e.mediaType], e.mediaType, text); err != nil {
		e.fault("an item is not as described: %v\n%s", err, text)
	}
}

// end checks what is left at the end of the body.
func (w *watched) end() {
	e := w.exchange
	pointer, known := e.described.schemas[e.mediaType]
	switch {
	case itemised(e.mediaType):
		if e.mediaType == linesType && len(w.text) > 0 {
			e.fault("the last line has no end: %s", w.text)
		}
	case !known:
		if len(e.described.schemas) == 0 && len(w.text) > 0 {
			e.fault("has a body, which is not described: %s", w.text)
		}
	default:
		if err := validate(e.doc.responses, pointer, e.mediaType, w.text); err != nil {
			e.fault("the body is not as described: %v\n%s", err, w.text)
		} else if e.mediaType == problemType {
			if err := e.checkProblem(w.text); err != nil {
				e.fault("%v\n%s", err, w.text)
			}
		}
	}
}

// checkProblem holds what a problem document says twice against each other.
func (e *exchange) checkProblem(text []byte) error {
	var p struct {
		Type, Code, RequestID string
		Status                int
	}
	if err := json.Unmarshal(text, &p); err != nil {
		return err
	}
	h := e.res.Header
	switch {
	case p.Type != "urn:fairlead:error:"+p.Code:
		return fmt.Errorf("type %q does not end with code %q", p.Type, p.Code)
	case p.Status != e.res.StatusCode:
		return fmt.Errorf("the problem's status %d is not that of the response", p.Status)
	case h.Get("Fairlead-Error") != p.Code:
		return fmt.Errorf("header Fairlead-Error is %q", h.Get("Fairlead-Error"))
	case h.Get("X-Request-Id") != p.RequestID:
		return fmt.Errorf("header X-Request-Id is %q", h.Get("X-Request-Id"))
	}
	return nil
}
