package fleet

import (
	"bytes"
	"encoding/json"

	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/bridge/call"
)

// line is a line of the response. Its body is put into JSON when the line is written, of
// which there is one at a time: as JSON it may be twice as large as the share of the pool
// that the body has.
type line struct {
	api.FleetLine
	whole *call.Response // nil: there is no body
}

// MarshalJSON implements [json.Marshaler].
func (l *line) MarshalJSON() ([]byte, error) {
	out := l.FleetLine
	if l.whole != nil {
		r := l.whole.Result()
		out.Body, out.BodyBase64 = r.Body, r.BodyBase64
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(out)
	return b.Bytes(), err
}
