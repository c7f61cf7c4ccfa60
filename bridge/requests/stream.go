package requests

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/bridge/call"
	"github.com/fairlead-io/fairlead/bridge/ndjson"
	"github.com/fairlead-io/fairlead/bridge/tunnel/socket"
)

// acceptsLines reports whether a client asks for a response of lines.
func acceptsLines(h http.Header) bool {
	for _, v := range h["Accept"] {
		for one := range strings.SplitSeq(v, ",") {
			t, params, err := mime.ParseMediaType(one)
			if err != nil || t != ndjson.ContentType {
				continue
			}
			if q, weighed := params["q"]; !weighed || strings.Trim(q, "0.") != "" {
				return true // a weight of 0 says that it is not wanted
			}
		}
	}
	return false
}

// stream makes a call, and answers with its response as it comes.
func (s *Service) stream(w http.ResponseWriter, r *http.Request, rec *answer.Record, visit access.Visit, req *call.Request) *answer.Failure {
	response, f := s.Caller.Stream(r.Context(), rec, visit, req)
	if f != nil {
		return f
	}
	defer response.Close()
	out := ndjson.Begin(w, r, rec)
	defer response.WhenOver(func() { out.Cut(socket.Linger) })()
	pass(out, response)
	rec.Aborted = out.End()
	return nil
}

// pass writes a response, until it ends or the client takes no more.
func pass(out *ndjson.Stream, response *call.Stream) {
	head := &api.CallHead{Status: response.Status, Headers: response.Header, RequestID: response.ID}
	if out.Write(api.CallLine{Head: head}) != nil {
		return
	}
	p := parts{encoded: response.Header.Get("Content-Encoding") != ""}
	for {
		b, err := response.Next()
		line, any := p.next(b, err != nil)
		if any && out.Write(line) != nil {
			return
		}
		if err == nil {
			continue
		}
		end := &api.CallEnd{Bytes: response.Bytes(), Duration: response.Duration().String()}
		if f, failed := errors.AsType[*answer.Failure](err); failed {
			end.Problem = f.Problem(response.ID)
		} else if err != io.EOF {
			end.Problem = answer.Failf(answer.InternalError, "%w", err).Problem(response.ID)
		}
		_ = out.Write(api.CallLine{End: end}) // the stream keeps its error
		return
	}
}

// parts makes lines of the bytes of a body. Text is not cut within a character.
type parts struct {
	encoded bool   // the bytes are never text
	held    []byte // the beginning of a character, at most 3 bytes
}

// next returns the line of the next bytes; any is false if there is none yet. last: no
// more bytes come.
func (p *parts) next(b []byte, last bool) (line api.CallLine, any bool) {
	if len(p.held) > 0 {
		b = append(p.held, b...)
		p.held = nil
	}
	if cut := len(b) - unfinished(b); !last && !p.encoded && cut < len(b) {
		p.held = append([]byte(nil), b[cut:]...)
		b = b[:cut]
	}
	switch {
	case len(b) == 0:
		return line, false
	case p.encoded || !utf8.Valid(b):
		line.BodyBase64 = b
	default:
		line.Body = string(b)
	}
	return line, true
}

// unfinished is how many bytes at the end of b are the beginning of a character.
func unfinished(b []byte) int {
	for n := 1; n < utf8.UTFMax && n <= len(b); n++ {
		if c := b[len(b)-n]; utf8.RuneStart(c) {
			if !utf8.FullRune(b[len(b)-n:]) {
				return n
			}
			return 0
		}
	}
	return 0
}
