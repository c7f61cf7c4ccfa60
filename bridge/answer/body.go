package answer

import (
	"net/http"
	"strconv"
	"sync"
)

// pieceSize is that of most pieces of a [Body].
const pieceSize = 64 << 10

// pieces are those that no body has, as *[]byte with no length.
var pieces = sync.Pool{New: func() any { b := make([]byte, 0, pieceSize); return &b }}

// Body is a body that is appended to until its length is known, which the head of an answer
// tells. It is in pieces that later bodies use again, so that a long one is neither copied
// as it grows nor garbage, and takes as much memory as it is long. Pieces that no body needs
// are kept for two collections of garbage. The zero value is empty. It is for one goroutine,
// and must be answered with, or dropped.
type Body struct {
	pieces []*[]byte
	room   int // what is left of the last piece
}

// Append appends what add does to the bytes it is given. It is best where that is much less
// than [pieceSize].
func (b *Body) Append(add func([]byte) []byte) {
	if b.room < pieceSize/16 {
		b.pieces = append(b.pieces, pieces.Get().(*[]byte))
	}
	last := b.pieces[len(b.pieces)-1]
	*last = add(*last)
	b.room = pieceSize - len(*last)
}

// Len is the length in bytes.
func (b *Body) Len() (n int) {
	for _, p := range b.pieces {
		n += len(*p)
	}
	return n
}

// Drop gives up a body that is not to be written.
func (b *Body) Drop() {
	for _, p := range b.pieces {
		if cap(*p) == pieceSize { // one that had to grow is not kept
			*p = (*p)[:0]
			pieces.Put(p)
		}
	}
	*b = Body{}
}

// write writes the body and gives it up. Each piece is free once it is written: who reads
// slowly keeps no more than what is missing. It returns how much was written.
func (b *Body) write(w http.ResponseWriter) (sent int64) {
	for len(b.pieces) > 0 {
		n, err := w.Write(*b.pieces[0])
		sent += int64(n)
		if err != nil {
			// The client hung up. A frame of HTTP/2 may still be on its way to it: nobody else's
			// bytes may come into that memory.
			*b = Body{}
			return sent
		}
		done := Body{pieces: b.pieces[:1]}
		b.pieces = b.pieces[1:]
		done.Drop()
	}
	return sent
}

// JSONBody answers a request with a body that is JSON, and gives it up.
func JSONBody(w http.ResponseWriter, r *http.Request, rec *Record, code int, body *Body) {
	jsonHeader(w.Header())
	rec.Status = code
	w.Header().Set("Content-Length", strconv.Itoa(body.Len()))
	w.WriteHeader(code)
	if r.Method == http.MethodHead {
		body.Drop()
		return
	}
	rec.Sent = body.write(w)
}
