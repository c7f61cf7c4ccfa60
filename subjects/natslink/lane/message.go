package lane

import (
	"bytes"

	"github.com/fairlead-io/fairlead/subjects"
)

// maxLine bounds the line of a message in bytes. nats-server reads up to 4 KiB of subjects and
// size (max_control_line), and writes a verb and a subscription's number beside them.
const maxLine = 8 << 10

var lineBreak = []byte("\r\n")

// message is what the line before a payload says.
type message struct {
	subject []byte // part of the line
	size    int    // bytes of the payload and, before it, the header
	header  bool   // there is one
}

// parse reads such a line, with its line break:
//
//	MSG <subject> <sid> [reply] <size>
//	HMSG <subject> <sid> [reply] <size of the header> <size of both>
func parse(line []byte) (m message, ok bool) {
	line, ok = bytes.CutSuffix(line, lineBreak)
	if !ok {
		return m, false
	}
	if line, m.header = bytes.CutPrefix(line, []byte("HMSG ")); !m.header {
		if line, ok = bytes.CutPrefix(line, []byte("MSG ")); !ok {
			return m, false
		}
	}
	m.subject, line, ok = bytes.Cut(line, []byte(" "))
	space := bytes.LastIndexByte(line, ' ')
	if !ok || len(m.subject) == 0 || space < 0 {
		return m, false
	}
	m.size, ok = number(line[space+1:])
	return m, ok
}

// number reads a decimal number of at most nine digits.
func number(digits []byte) (n int, ok bool) {
	if len(digits) == 0 || len(digits) > 9 {
		return 0, false
	}
	for _, d := range digits {
		if d < '0' || d > '9' {
			return 0, false
		}
		n = n*10 + int(d-'0')
	}
	return n, true
}

// sink returns who takes a message, nil for nats.go.
func (m message) sink(l *Lane) Sink {
	if m.header || m.size > subjects.MaxMessage {
		return nil
	}
	return l.sink(m.subject)
}
