package dockerconfig

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"strings"
	"unicode"
)

// The types of pull secrets, and the keys of their data.
const (
	Type       = "kubernetes.io/dockerconfigjson"
	LegacyType = "kubernetes.io/dockercfg"
	Key        = ".dockerconfigjson"
	legacyKey  = ".dockercfg"
)

// maxEntries bounds the entries that are told of: an object of a cluster has room for a
// hundred thousand, and each is told of with hundreds of bytes.
const maxEntries = 1000

// Judgement is what is known of a pull secret, without anything secret.
type Judgement struct {
	Entries  []Entry   // the first maxEntries
	More     int       // entries that are not in Entries, and are judged all the same
	Findings []Finding // that are not about one entry

	unusable bool // one of More has an error
}

// Entry is what is known of the entry of a registry.
type Entry struct {
	// Registry is as images begin with it, and Key as it is written; both are "" if the key
	// does not look like a registry.
	Registry, Key string
	// Complete is whether the kubelet finds a user name and a token in it for images of the
	// registry.
	Complete bool
	Findings []Finding
}

// WellFormed reports whether there is an entry and nothing is wrong but what is a warning.
func (j *Judgement) WellFormed() bool {
	for _, e := range j.Entries {
		if isFatal(e.Findings) {
			return false
		}
	}
	return len(j.Entries) > 0 && !isFatal(j.Findings) && !j.unusable
}

func isFatal(all []Finding) bool {
	for _, f := range all {
		if f.Severity == Fatal {
			return true
		}
	}
	return false
}

// Judge looks at the type and the data of a Secret.
func Judge(kind string, data map[string][]byte) *Judgement {
	j := &Judgement{}
	key := Key
	switch kind {
	case Type:
	case LegacyType:
		j.find(legacyType)
		key = legacyKey
	default:
		j.find(wrongType)
		if len(data[Key]) == 0 && len(data[legacyKey]) > 0 {
			key = legacyKey
		}
	}
	content := data[key]
	if len(content) == 0 {
		if _, there := data[key]; there || len(data) == 0 {
			j.find(noData)
		} else {
			j.find(wrongKey)
		}
		return j
	}
	j.content(content, key == legacyKey)
	return j
}

func (j *Judgement) find(f Finding) { j.Findings = append(j.Findings, f) }

func (j *Judgement) content(content []byte, legacy bool) {
	fields, err := object(content)
	if err != nil {
		if encodedObject(content) {
			j.find(doubleEncoded)
		} else {
			j.find(notJSON)
		}
		return
	}
	if legacy {
		j.entries(fields)
		return
	}
	for _, f := range fields {
		if k := strings.ToLower(f.key); (k == "credhelpers" || k == "credsstore") && !isEmpty(f.value) {
			j.find(credentialHelpers)
			break
		}
	}
	auths := last(fields, "auths")
	if isNull(auths) {
		if len(fields) > 0 && looksLegacy(fields) {
			j.find(authsOutside)
		} else {
			j.find(authsMissing)
		}
		return
	}
	if fields, err = object(auths); err != nil {
		j.find(authsMalformed)
		return
	}
	j.entries(fields)
}

func (j *Judgement) entries(fields []field) {
	if len(fields) == 0 {
		j.find(authsEmpty)
	}
	count := map[Registry]int{}
	for _, f := range fields {
		if r, err := parseRegistry(f.key); err == nil {
			count[r]++
		}
	}
	for _, f := range fields {
		e := judgeKey(f.key)
		if r, err := parseRegistry(f.key); err == nil && count[r] > 1 {
			e.Findings = append(e.Findings, keyTwice)
		}
		usable, found := judgeEntry(f.value)
		e.Findings = append(e.Findings, found...)
		e.Complete = usable && !isFatal(e.Findings)
		if len(j.Entries) < maxEntries {
			j.Entries = append(j.Entries, e)
			continue
		}
		j.More++
		j.unusable = j.unusable || isFatal(e.Findings)
	}
}

// encodedObject reports whether a text is base64 of a JSON object.
func encodedObject(text []byte) bool {
	b, ok := decodeAny(string(bytes.TrimSpace(text)))
	if !ok {
		return false
	}
	_, err := object(b)
	return err == nil
}

// decodeAny decodes base64 of any alphabet, with or without padding.
func decodeAny(text string) ([]byte, bool) {
	text = strings.TrimRight(text, "=")
	for _, e := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		if b, err := e.DecodeString(text); err == nil && len(b) > 0 {
			return b, true
		}
	}
	return nil, false
}

// looksLegacy reports whether there are entries of registries.
func looksLegacy(fields []field) bool {
	for _, f := range fields {
		inner, err := object(f.value)
		if err == nil && (last(inner, "auth") != nil || last(inner, "username") != nil) {
			return true
		}
	}
	return false
}

// isEmpty reports whether a JSON value says nothing.
func isEmpty(v json.RawMessage) bool {
	return isNull(v) || string(v) == "{}" || string(v) == `""`
}

func isPadded(s string) bool { return strings.TrimFunc(s, unicode.IsSpace) != s }
