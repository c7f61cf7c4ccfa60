package cast

import "unicode/utf8"

// rawBase is the code point of byte 0. Bytes below 0x80 are never written so.
const rawBase = 0x10ff00

// Split returns how much of b can be written now: a character at its end that has not
// arrived whole, of at most 3 bytes, is left for the next time.
func Split(b []byte) int {
	for i := 1; i < utf8.UTFMax && i <= len(b); i++ {
		at := len(b) - i
		if utf8.RuneStart(b[at]) {
			if !utf8.FullRune(b[at:]) {
				return at
			}
			break
		}
	}
	return len(b)
}

const hexDigits = "0123456789abcdef"

// AppendText appends b as a string of JSON.
func AppendText(dst, b []byte) []byte {
	dst = append(dst, '"')
	from := 0
	for i := 0; i < len(b); {
		c := b[i]
		if c < utf8.RuneSelf {
			if c >= ' ' && c != '"' && c != '\\' && c != 0x7f {
				i++
				continue
			}
			dst = append(dst, b[from:i]...)
			dst = appendControl(dst, c)
			i++
			from = i
			continue
		}
		r, size := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && size == 1 || r >= rawBase || r == '\u2028' || r == '\u2029' {
			dst = append(dst, b[from:i]...)
			dst = appendRare(dst, r, b[i:i+size])
			from = i + size
		}
		i += size
	}
	return append(append(dst, b[from:]...), '"')
}

// appendRare appends a line separator of JavaScript escaped, and anything else byte by
// byte.
func appendRare(dst []byte, r rune, b []byte) []byte {
	switch r {
	case '\u2028':
		return append(dst, `\u2028`...)
	case '\u2029':
		return append(dst, `\u2029`...)
	}
	for _, c := range b {
		dst = utf8.AppendRune(dst, rawBase+rune(c))
	}
	return dst
}

func appendControl(dst []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\n':
		return append(dst, '\\', 'n')
	case '\r':
		return append(dst, '\\', 'r')
	case '\t':
		return append(dst, '\\', 't')
	}
	return append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&0xf])
}

// Bytes appends what was recorded as text.
func Bytes(dst []byte, text string) []byte {
	for _, r := range text {
		if r >= rawBase+utf8.RuneSelf && r < rawBase+0x100 {
			dst = append(dst, byte(r-rawBase))
			continue
		}
		dst = utf8.AppendRune(dst, r)
	}
	return dst
}
