package endpoint

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/deploy/nearest"
)

// ReadJSON decodes the body of a request, one JSON value of at most limit bytes, into
// v. Unknown fields are refused. example is shown for an empty body.
func ReadJSON(w http.ResponseWriter, r *http.Request, v any, limit int64, example string) *answer.Failure {
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, limit))
	d.DisallowUnknownFields()
	err := d.Decode(v)
	if err == nil {
		if _, err = d.Token(); err == io.EOF {
			return nil
		}
		if err == nil {
			err = errors.New("more than one JSON value")
		}
	} else if err == io.EOF {
		return answer.Failf(answer.BadRequest, "the body is empty: want JSON, such as %s", example)
	}
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		return tooLarge(limit)
	}
	return answer.Failf(answer.BadRequest, "the body cannot be read: %s", answer.Clip(unread(err, v)))
}

func tooLarge(limit int64) *answer.Failure {
	return answer.Failf(answer.BodyTooLarge, "the body is larger than %d bytes; larger requests can be made under /k8s", limit)
}

// unread says what is wrong with a body in words of JSON, since its writer knows no type
// of Go.
func unread(err error, v any) string {
	if e, ok := errors.AsType[*json.SyntaxError](err); ok {
		return fmt.Sprintf("%s, at byte %d", e.Error(), e.Offset)
	}
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		at := e.Field
		if at == "" {
			at = "the whole"
		}
		value, _, _ := strings.Cut(e.Value, " ") // "number 1.5"
		return fmt.Sprintf("%s is of type %s, want %s", at, value, typeOf(e.Type))
	}
	quoted, unknown := strings.CutPrefix(err.Error(), "json: unknown field ")
	if key, err := strconv.Unquote(quoted); unknown && err == nil {
		return fmt.Sprintf("unknown field %q%s", key, meantKey(key, v))
	}
	return err.Error()
}

// typeOf names a type as JSON does.
func typeOf(t reflect.Type) string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t.Kind() {
	case reflect.Bool:
		return "bool"
	case reflect.String:
		return "string"
	case reflect.Slice, reflect.Array:
		if t.Elem().Kind() == reflect.Uint8 {
			return "string" // of base64
		}
		return "array"
	case reflect.Struct, reflect.Map:
		return "object"
	}
	return "number"
}

// meantKey asks whether another key of v was meant than one that it does not have, or
// lists them.
func meantKey(key string, v any) string {
	known := keys(reflect.TypeOf(v))
	near := nearest.Name(key, known)
	for _, k := range known { // apiGroup for group
		if near == "" && len(k) > 3 && len(key) <= 2*len(k) && strings.HasSuffix(strings.ToLower(key), strings.ToLower(k)) {
			near = k
		}
	}
	if near == "" {
		return "; there are " + strings.Join(topKeys(reflect.TypeOf(v)), ", ")
	}
	return fmt.Sprintf(": did you mean %q?", near)
}

// keys are those that the JSON of a type can have, at any depth.
func keys(t reflect.Type) (all []string) {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice || t.Kind() == reflect.Map {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || t == reflect.TypeFor[time.Time]() {
		return nil
	}
	for i := range t.NumField() {
		if name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ","); name != "" && name != "-" {
			all = append(all, name)
		}
		all = append(all, keys(t.Field(i).Type)...)
	}
	return all
}

// topKeys are those that the JSON of a type can have itself.
func topKeys(t reflect.Type) (all []string) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return nil
	}
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case name == "" && f.Anonymous:
			all = append(all, topKeys(f.Type)...)
		case name != "" && name != "-":
			all = append(all, name)
		}
	}
	return all
}
