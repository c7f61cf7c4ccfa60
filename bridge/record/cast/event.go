package cast

import (
	"encoding/json"
	"strconv"
	"time"
)

// Code says what an event is.
type Code byte

// The codes.
const (
	Output Code = 'o'
	Input  Code = 'i'
	Resize Code = 'r' // the text is columns and rows, such as 80x24
	Marker Code = 'm' // a remark of whoever recorded
)

// Header is the first line. Extra is for other programs than players.
type Header struct {
	Version   int    `json:"version"`
	Width     int    `json:"width"`
	Height    int    `json:"height"`
	Timestamp int64  `json:"timestamp"` // seconds since 1970
	Title     string `json:"title,omitempty"`
	Command   string `json:"command,omitempty"`
	Extra     any    `json:"fairlead,omitempty"`
}

// AppendHeader appends the first line.
func AppendHeader(dst []byte, h Header) ([]byte, error) {
	h.Version = 2
	b, err := json.Marshal(h)
	if err != nil {
		return dst, err
	}
	return append(append(dst, b...), '\n'), nil
}

// AppendEvent appends the line of an event, at a time since the beginning.
func AppendEvent(dst []byte, at time.Duration, code Code, text []byte) []byte {
	dst = append(dst, '[')
	dst = strconv.AppendFloat(dst, max(at, 0).Seconds(), 'f', 6, 64)
	dst = append(dst, ',', ' ', '"', byte(code), '"', ',', ' ')
	dst = AppendText(dst, text)
	return append(dst, ']', '\n')
}
