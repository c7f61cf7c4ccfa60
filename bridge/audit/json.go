package audit

import (
	"strconv"
	"time"
	"unicode/utf8"
)

// encoder appends JSON. Its methods leave out what is empty.
type encoder struct {
	b []byte
	// cut: something was shortened.
	cut bool
	// listed is how many bytes of a user are in lists so far.
	listed int
}

// comma separates what comes from what is there.
func (e *encoder) comma() {
	if last := e.b[len(e.b)-1]; last != '{' && last != '[' {
		e.b = append(e.b, ',')
	}
}

// key begins a member; it needs no escaping.
func (e *encoder) key(k string) {
	e.comma()
	e.b = append(e.b, '"')
	e.b = append(e.b, k...)
	e.b = append(e.b, '"', ':')
}

// open begins an object that is a member.
func (e *encoder) open(k string) {
	e.key(k)
	e.b = append(e.b, '{')
}

func (e *encoder) close() { e.b = append(e.b, '}') }

func (e *encoder) str(k, v string) {
	if v == "" {
		return
	}
	e.key(k)
	e.text(v, maxText)
}

// text appends a string of at most limit bytes, besides its escapes.
func (e *encoder) text(s string, limit int) {
	if len(s) > limit {
		for limit > 0 && !utf8.RuneStart(s[limit]) {
			limit--
		}
		s, e.cut = s[:limit], true
	}
	e.b = appendString(e.b, s)
}

func (e *encoder) strings(k string, vv []string) {
	if len(vv) == 0 {
		return
	}
	e.key(k)
	e.list(vv)
}

// list appends as many strings as the bounds allow.
func (e *encoder) list(vv []string) {
	e.b = append(e.b, '[')
	for i, v := range vv {
		if !e.room(i, v) {
			break
		}
		e.comma()
		e.text(v, maxText)
	}
	e.b = append(e.b, ']')
}

// room reports whether there is room for s as element i of a list, and takes it.
func (e *encoder) room(i int, s string) bool {
	e.listed += min(len(s), maxText)
	if i == maxList || e.listed > maxLists {
		e.cut = true
		return false
	}
	return true
}

func (e *encoder) int(k string, n int64) {
	e.key(k)
	e.b = strconv.AppendInt(e.b, n, 10)
}

// time has microseconds, as metav1.MicroTime.
func (e *encoder) time(k string, t time.Time) {
	e.key(k)
	e.b = append(e.b, '"')
	e.b = appendTime(e.b, t)
	e.b = append(e.b, '"')
}

// timeFormat is that of all times, which are in UTC.
const timeFormat = "2006-01-02T15:04:05.000000Z"

// appendTime appends what AppendFormat does for timeFormat, in a fifth of the time.
func appendTime(b []byte, t time.Time) []byte {
	t = t.UTC()
	year, month, day := t.Date()
	hour, minute, second := t.Clock()
	if year < 0 || year > 9999 {
		return t.AppendFormat(b, timeFormat)
	}
	b = append(appendDigits(b, year, 4), '-')
	b = append(appendDigits(b, int(month), 2), '-')
	b = append(appendDigits(b, day, 2), 'T')
	b = append(appendDigits(b, hour, 2), ':')
	b = append(appendDigits(b, minute, 2), ':')
	b = append(appendDigits(b, second, 2), '.')
	return append(appendDigits(b, t.Nanosecond()/1000, 6), 'Z')
}

// appendDigits appends the last digits of n, which is not negative, and at most 20 of
// them.
func appendDigits(b []byte, n, digits int) []byte {
	const zeros = "00000000000000000000"
	b = append(b, zeros[:digits]...)
	for i := len(b) - 1; n > 0 && i >= len(b)-digits; i-- {
		b[i] = byte('0' + n%10)
		n /= 10
	}
	return b
}

// seconds appends a duration of at least 0 in seconds, with microseconds.
func (e *encoder) seconds(k string, d time.Duration) {
	e.key(k)
	micros := int64(max(d, 0).Round(time.Microsecond) / time.Microsecond)
	e.b = append(strconv.AppendInt(e.b, micros/1e6, 10), '.')
	e.b = appendDigits(e.b, int(micros%1e6), 6)
}

const hexDigits = "0123456789abcdef"

// plain has the bytes that stand for themselves in a JSON string.
var plain = func() (is [256]bool) {
	for c := ' '; c < 0x7f; c++ {
		is[c] = c != '"' && c != '\\'
	}
	return is
}()

// plainLen is how many bytes at the beginning of s are plain. It looks at eight at a time,
// in a word: one that is less than ' ' borrows from the top bit of its place, as does one
// that becomes zero where it is equal to another.
func plainLen(s string) int {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	i := 0
	for ; i+8 <= len(s); i += 8 {
		b := s[i : i+8]
		w := uint64(b[0]) | uint64(b[1])<<8 | uint64(b[2])<<16 | uint64(b[3])<<24 |
			uint64(b[4])<<32 | uint64(b[5])<<40 | uint64(b[6])<<48 | uint64(b[7])<<56
		quote, slash, del := w^ones*'"', w^ones*'\\', w^ones*0x7f
		if ((w-ones*' ')&^w|(quote-ones)&^quote|(slash-ones)&^slash|(del-ones)&^del|w)&tops != 0 {
			break
		}
	}
	for i < len(s) && plain[s[i]] {
		i++
	}
	return i
}

// appendString appends a JSON string. Bytes that are not UTF-8 become U+FFFD, and
// controls are escaped, so that an event has one line and no terminal obeys it.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	start := 0
	for i := 0; ; {
		i += plainLen(s[i:])
		if i == len(s) {
			break
		}
		c, size := rune(s[i]), 1
		if c >= utf8.RuneSelf {
			c, size = utf8.DecodeRuneInString(s[i:])
		}
		control := c < ' ' || c >= 0x7f && c < 0xa0 || c == '\u2028' || c == '\u2029'
		if !control && c != '"' && c != '\\' && (c != utf8.RuneError || size > 1) {
			i += size
			continue
		}
		b = append(b, s[start:i]...)
		if c == '"' || c == '\\' {
			b = append(b, '\\', byte(c))
		} else {
			b = append(b, '\\', 'u', hexDigits[c>>12&15], hexDigits[c>>8&15], hexDigits[c>>4&15], hexDigits[c&15])
		}
		i += size
		start = i
	}
	b = append(b, s[start:]...)
	return append(b, '"')
}
