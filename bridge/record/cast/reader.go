package cast

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
)

// maxLine bounds a line in bytes. The longest that is written here is of 64 KiB of
// bytes that are not UTF-8.
const maxLine = 1 << 20

// Event is a line that was read.
type Event struct {
	At   time.Duration
	Code Code
	Data []byte // what was recorded
}

// Reader reads a recording.
type Reader struct {
	Header Header
	lines  *bufio.Reader
	number int
}

// NewReader reads the header. extra is decoded into if it is not nil.
func NewReader(r io.Reader, extra any) (*Reader, error) {
	rd := &Reader{lines: bufio.NewReaderSize(r, 64<<10)}
	line, err := rd.line()
	if err != nil {
		return nil, fmt.Errorf("header: %w", err)
	}
	rd.Header.Extra = extra
	if err := json.Unmarshal(line, &rd.Header); err != nil {
		return nil, fmt.Errorf("header: %w", err)
	}
	if rd.Header.Version != 2 {
		return nil, fmt.Errorf("header: version %d, want 2", rd.Header.Version)
	}
	return rd, nil
}

// Next returns the next event, io.EOF at the end. A last line that was cut short, as
// by a crash, is the end too.
func (r *Reader) Next() (Event, error) {
	line, err := r.line()
	if err != nil {
		return Event{}, err
	}
	var seconds float64
	var code, text string
	parts := []any{&seconds, &code, &text}
	if err := json.Unmarshal(line, &parts); err != nil {
		return Event{}, fmt.Errorf("line %d: %w", r.number, err)
	}
	if len(parts) != 3 || len(code) != 1 {
		return Event{}, fmt.Errorf("line %d: not an event", r.number)
	}
	at := time.Duration(seconds * float64(time.Second))
	return Event{At: at, Code: Code(code[0]), Data: Bytes(nil, text)}, nil
}

// line returns a whole line without its end.
func (r *Reader) line() ([]byte, error) {
	var all []byte
	r.number++
	for {
		part, err := r.lines.ReadSlice('\n')
		if err == nil && all == nil {
			return bytes.TrimSuffix(part, []byte("\n")), nil
		}
		if len(all)+len(part) > maxLine {
			return nil, fmt.Errorf("line %d: longer than %d bytes", r.number, maxLine)
		}
		all = append(all, part...)
		switch {
		case err == nil:
			return all[:len(all)-1], nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, err // io.EOF: what there is of the line was cut short
		}
	}
}
