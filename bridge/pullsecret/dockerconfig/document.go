package dockerconfig

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
)

// field is a key of a JSON object and its value, as it stands there.
type field struct {
	key   string
	value json.RawMessage
}

var errNotObject = errors.New("not a JSON object")

// object reads a JSON object. Unlike a map it keeps keys that are there twice.
func object(b []byte) ([]field, error) {
	if !json.Valid(b) {
		return nil, errNotObject
	}
	d := json.NewDecoder(bytes.NewReader(b))
	if start, err := d.Token(); err != nil || start != json.Delim('{') {
		return nil, errNotObject
	}
	var all []field
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil, errNotObject
		}
		f := field{}
		f.key, _ = key.(string)
		if err := d.Decode(&f.value); err != nil {
			return nil, errNotObject
		}
		all = append(all, f)
	}
	return all, nil
}

// last is the value of a key as Go's decoder finds it: the last one, in any case. nil: there
// is none.
func last(fields []field, key string) json.RawMessage {
	for _, f := range slices.Backward(fields) {
		if strings.EqualFold(f.key, key) {
			return f.value
		}
	}
	return nil
}

func isNull(v json.RawMessage) bool { return len(v) == 0 || string(v) == "null" }
