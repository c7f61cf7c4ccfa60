package exchange

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
)

// Lines sends a request, again where that is safe and nothing has come yet, and yields
// the lines of its response until one is the last. The request ends when the loop does. An
// error that there was before it is yielded instead.
func Lines[T any](ctx context.Context, b *Bridge, r *Request, err error, last func(T) bool) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		if err != nil {
			yield(none, err)
			return
		}
		ctx, cancel := context.WithCancel(ctx)
		defer cancel() // a caller that breaks off ends the request
		r.Accept = "application/x-ndjson"
		res, err := b.send(ctx, r)
		if err != nil {
			yield(none, err)
			return
		}
		defer res.Body.Close()
		s := Scanner(res.Body)
		for s.Scan() {
			var line T
			if err := json.Unmarshal(s.Bytes(), &line); err != nil {
				yield(none, fmt.Errorf("%s: decode a line: %w", r, err))
				return
			}
			if !yield(line, nil) || last(line) {
				return
			}
		}
		yield(none, r.Broke(s))
	}
}

// Scanner reads lines, each of [MaxBody] at most.
func Scanner(body io.Reader) *bufio.Scanner {
	s := bufio.NewScanner(body)
	s.Buffer(make([]byte, 0, 64<<10), MaxBody)
	s.Split(wholeLines)
	return s
}

// wholeLines splits at ends of lines. What has none is cut off, and no line.
func wholeLines(data []byte, _ bool) (advance int, token []byte, err error) {
	if i := bytes.IndexByte(data, '\n'); i >= 0 {
		return i + 1, data[:i], nil
	}
	return 0, nil, nil
}

// Broke is the error of a response whose lines are at an end before the last.
func (r *Request) Broke(s *bufio.Scanner) error {
	err := s.Err()
	if err == nil {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("%s: the response broke: %w", r, err)
}
