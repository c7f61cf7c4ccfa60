package record

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// maxResize bounds a size of a terminal in JSON, in bytes.
const maxResize = 1 << 10

// resizes reads the sizes that a client sends, as Kubernetes does: values of JSON, one
// after the other. What follows one that cannot be read has no meaning there either.
type resizes struct {
	b   []byte
	bad bool
}

// add returns the sizes that are complete with b.
func (r *resizes) add(b []byte) (sizes []string) {
	for len(b) > 0 && !r.bad {
		k := min(len(b), maxResize)
		sizes = append(sizes, r.values(b[:k])...)
		b = b[k:]
	}
	return sizes
}

func (r *resizes) values(b []byte) (sizes []string) {
	r.b = append(r.b, b...)
	d := json.NewDecoder(bytes.NewReader(r.b))
	read := int64(0)
	for {
		var size struct{ Width, Height uint16 }
		err := d.Decode(&size)
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			break
		}
		if err != nil {
			r.bad, r.b = true, nil
			return sizes
		}
		read = d.InputOffset()
		sizes = append(sizes, fmt.Sprintf("%dx%d", size.Width, size.Height))
	}
	r.b = bytes.Clone(r.b[read:])
	if len(r.b) > maxResize {
		r.bad, r.b = true, nil
	}
	return sizes
}
