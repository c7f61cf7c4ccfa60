package http1

import "bytes"

// framing looks at the bytes of a head beside [http.ReadResponse], which mends or forgets
// some of what makes the end of a message doubtful: it takes the chunks where there is a
// length too, joins folded lines, and lets lines end without a CR. Others on the way may
// have read the same head in another way, so that a connection on which one was seen is not
// kept: what one of them holds to be the rest of a body must not answer another request.
type framing struct {
	start  [len("transfer-encoding:")]byte // of the present line
	length int                             // of the line so far
	last   byte                            // of the line so far
	fields int                             // Content-Length and Transfer-Encoding
	odd    bool
	over   bool // the empty line was seen
}

// see takes the next bytes; those after the head are ignored.
func (f *framing) see(b []byte) {
	for !f.over && len(b) > 0 {
		line, rest, whole := bytes.Cut(b, []byte{'\n'})
		if f.length < len(f.start) {
			copy(f.start[f.length:], line)
		}
		if f.length += len(line); len(line) > 0 {
			f.last = line[len(line)-1]
		}
		if whole {
			f.endLine()
		}
		b = rest
	}
}

func (f *framing) endLine() {
	start := f.start[:min(f.length, len(f.start))]
	bare := f.length == 0 || f.last != '\r'
	f.over = f.length == 0 || f.length == 1 && !bare
	folded := !f.over && (start[0] == ' ' || start[0] == '\t')
	if name, _, ok := bytes.Cut(start, []byte{':'}); ok &&
		(bytes.EqualFold(name, []byte("Content-Length")) || bytes.EqualFold(name, []byte("Transfer-Encoding"))) {
		f.fields++
	}
	f.odd = f.odd || bare || folded || f.fields > 1
	f.length = 0
}
