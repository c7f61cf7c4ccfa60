package wire

import (
	"compress/zlib"
	"encoding/binary"
	"errors"
	"io"
	"strings"
)

// Bounds of a header block. A client sends three headers of less than 50 bytes.
const (
	maxHeaders    = 32
	maxHeaderSize = 4 << 10
)

var errHeaders = errors.New("SPDY headers that cannot be read")

// headerBlocks decompresses the header blocks of one direction, which share their
// compression. It reads exactly what a block declares.
type headerBlocks struct {
	source  strictSource
	inflate io.Reader // nil: no block has been read
}

// strictSource gives the decompressor the bytes of one block, one by one, so that it
// cannot read ahead.
type strictSource struct{ b []byte }

func (s *strictSource) ReadByte() (byte, error) {
	if len(s.b) == 0 {
		return 0, io.EOF
	}
	c := s.b[0]
	s.b = s.b[1:]
	return c, nil
}

func (s *strictSource) Read(p []byte) (int, error) {
	n := copy(p, s.b)
	if s.b = s.b[n:]; n == 0 && len(p) > 0 {
		return 0, io.EOF
	}
	return n, nil
}

// only reads a block and returns its only header of a name, which is in lower case.
func (h *headerBlocks) only(block []byte, wanted string) (string, error) {
	h.source.b = block
	if h.inflate == nil {
		z, err := zlib.NewReaderDict(&h.source, dictionary)
		if err != nil {
			return "", errHeaders
		}
		h.inflate = z
	}
	n, err := h.number(maxHeaders)
	if err != nil {
		return "", err
	}
	text, found := "", false
	for range n {
		name, err := h.text()
		if err != nil {
			return "", err
		}
		value, err := h.text()
		if err != nil {
			return "", err
		}
		if !strings.EqualFold(name, wanted) {
			continue
		}
		if found || name != wanted {
			return "", errHeaders
		}
		text, found = value, true
	}
	if len(h.source.b) != 0 {
		return "", errHeaders // a server would end the connection
	}
	return text, nil
}

func (h *headerBlocks) number(most uint32) (uint32, error) {
	var b [4]byte
	if _, err := io.ReadFull(h.inflate, b[:]); err != nil {
		return 0, errHeaders
	}
	n := binary.BigEndian.Uint32(b[:])
	if n > most {
		return 0, errHeaders
	}
	return n, nil
}

func (h *headerBlocks) text() (string, error) {
	n, err := h.number(maxHeaderSize)
	if err != nil {
		return "", err
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(h.inflate, b); err != nil {
		return "", errHeaders
	}
	return string(b), nil
}
