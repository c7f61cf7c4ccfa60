package watch

import (
	"bytes"
	"encoding/json"
	"io"
)

// values reads JSON values of a response, one at a time. It is used by one goroutine.
type values struct {
	*json.Decoder
	meter *meter
	rest  *bytes.Reader // what an earlier decoder had read too much; nil: there was none
}

func newValues(m *meter) *values { return &values{Decoder: json.NewDecoder(m), meter: m} }

// used says that the value that was read last is not in memory any more. top says that it
// was one of the response itself, and not inside of another.
func (v *values) used(top bool) {
	left, _ := v.Buffered().(*bytes.Reader)
	n := int64(0)
	if left != nil {
		n = int64(left.Len())
	}
	if top && v.meter.held > freeBytes { // the decoder would keep its large buffer
		kept := make([]byte, n)
		_, _ = io.ReadFull(left, kept)
		v.rest = bytes.NewReader(kept)
		v.Decoder = json.NewDecoder(io.MultiReader(v.rest, v.meter))
	}
	if v.rest != nil {
		n += int64(v.rest.Len())
	}
	v.meter.done(n, top)
}
