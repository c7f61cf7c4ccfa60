package redact

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"regexp"
	"slices"
	"strings"
)

// Known are secrets that were sent to another end, which may send them back: an error
// page that shows the request is common. [Known.Text] takes them out, as they are and as
// base64, hex, and escaped for URLs, HTML and JSON, and every run of eight characters of
// these, so that a page that was cut off shows no rest of one; but for https://, which is
// common. Escapes may be those of any platform, and be escaped again. The nil Known has none.
//
// It is not for an end that wants to betray the secret: that one can spell it in any way,
// and has it anyhow.
type Known struct{ forms []string }

const (
	// run is how many characters of a secret are never shown together.
	run = 8
	// minSecret is in bytes. What is shorter cannot be told from other text.
	minSecret = 4
	// scheme is no secret, although it is a run.
	scheme = "https://"
)

// Secrets returns what takes out these texts, nil if none is long enough.
func Secrets(secrets ...string) *Known {
	k := &Known{}
	for _, s := range secrets {
		if len(s) >= minSecret {
			k.add(s)
		}
	}
	if len(k.forms) == 0 {
		return nil
	}
	return k
}

// Headers returns the secrets in the values of headers: each value without its first word,
// such as Bearer, the words of that, and what the word after Basic holds. Of Digest it is
// what the client has made of the password, and the user: the rest are the other end's own
// words, and the address that was asked for.
func Headers(values ...string) (secrets []string) {
	for _, v := range values {
		scheme, rest, ok := strings.Cut(v, " ")
		if !ok {
			rest = v
		}
		if ok && strings.EqualFold(scheme, "Digest") {
			secrets = append(secrets, ofDigest(rest)...)
			continue
		}
		secrets = append(secrets, rest)
		for _, word := range strings.FieldsFunc(rest, func(r rune) bool { return strings.ContainsRune(" \t,;=\"", r) }) {
			if len(word) >= run {
				secrets = append(secrets, word)
			}
		}
		if ok && strings.EqualFold(scheme, "Basic") {
			if login, err := base64.StdEncoding.DecodeString(strings.TrimSpace(rest)); err == nil {
				_, password, _ := strings.Cut(string(login), ":")
				secrets = append(secrets, string(login), password)
			}
		}
	}
	return secrets
}

// digestSecrets are the parameters of Digest (RFC 7616) by which a client authenticates.
var digestSecrets = regexp.MustCompile(`(?i)(?:^|[\s,])(?:username\*?|response|cnonce)\s*=\s*("(?:[^"\\]|\\.)*"|[^\s,]*)`)

// ofDigest returns the secrets in the parameters of Digest.
func ofDigest(parameters string) (secrets []string) {
	for _, m := range digestSecrets.FindAllStringSubmatch(parameters, -1) {
		quoted := strings.Trim(m[1], `"`)
		secrets = append(secrets, quoted, escaped.ReplaceAllString(quoted, "$1"))
	}
	return secrets
}

// escaped is a character in a quoted string of HTTP that needs a backslash.
var escaped = regexp.MustCompile(`\\(.)`)

// add adds the forms of a secret, in lower case, apart from those that [unescape] undoes.
func (k *Known) add(s string) {
	all := []string{s, strings.ReplaceAll(s, " ", "+"), hex.EncodeToString([]byte(s))}
	for shift := range 3 {
		// Behind so many other bytes. The characters at both ends depend on the neighbors.
		for _, e := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			text := e.EncodeToString([]byte("\x00\x00"[:shift] + s))
			all = append(all, text[(shift*8+5)/6:(shift+len(s))*8/6])
		}
	}
	for _, form := range all {
		if form = lower(form); len(form) >= minSecret && !slices.Contains(k.forms, form) {
			k.forms = append(k.forms, form)
		}
	}
}

// Text returns the text without the secrets.
func (k *Known) Text(s string) string {
	if k == nil || len(s) < minSecret {
		return s
	}
	hidden := k.find(lower(s))
	for _, u := range unescaped(s) {
		u.hide(hidden, k.find(lower(u.text)))
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case !hidden[i]:
			b.WriteByte(s[i])
		case i == 0 || !hidden[i-1]:
			b.WriteString(Shown)
		}
	}
	return b.String()
}

// Bytes is [Known.Text] for bytes.
func (k *Known) Bytes(b []byte) []byte {
	if k == nil {
		return b
	}
	return []byte(k.Text(string(b)))
}

// ErrorWithout returns an error whose text is without secrets. It unwraps to err, whose own
// text still has them. The text is made only when somebody reads it: most errors of requests
// that were canceled are never shown.
func ErrorWithout(err error, secrets ...string) error { return without{err, secrets} }

type without struct {
	err     error
	secrets []string
}

func (w without) Error() string { return Secrets(w.secrets...).Text(w.err.Error()) }

func (w without) Unwrap() error { return w.err }

// find marks the bytes of a text in lower case that belong to a secret.
func (k *Known) find(text string) []bool {
	hidden := make([]bool, len(text))
	mark := func(from, n int) {
		for i := from; i < from+n; i++ {
			hidden[i] = true
		}
	}
	key := func(s string) uint64 { return binary.LittleEndian.Uint64([]byte(s[:run])) }
	runs := make(map[uint64][]int)
	for i := range max(len(text)-run+1, 0) {
		runs[key(text[i:])] = append(runs[key(text[i:])], i)
	}
	for _, form := range k.forms {
		for i := range max(len(form)-run+1, 0) {
			if strings.HasPrefix(form[i:], scheme) {
				continue
			}
			for _, at := range runs[key(form[i:])] {
				mark(at, run)
			}
			delete(runs, key(form[i:])) // marked for all forms
		}
		if len(form) < run {
			for from := 0; ; {
				at := strings.Index(text[from:], form)
				if at < 0 {
					break
				}
				mark(from+at, len(form))
				from += at + 1
			}
		}
		// The text may end in the middle of a secret.
		for n := min(run, len(form), len(text)); n >= minSecret; n-- {
			if strings.HasSuffix(text, form[:n]) && !strings.HasPrefix(scheme, form[:n]) {
				mark(len(text)-n, n)
				break
			}
		}
	}
	return hidden
}

// lower is strings.ToLower for ASCII alone, so that no length changes.
func lower(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}
