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
		return answer.Failf(answer.BodyTooLarge, "the body is larger than %d bytes; larger requests can be made under /k8s", limit)
	}
	return answer.Failf(answer.BadRequest, "the body cannot be read: %s%s", answer.Clip(err.Error()), meantKey(err, v))
}

// meantKey asks whether another key was meant, where a key of the body is not one of v;
// "" if none is near.
func meantKey(err error, v any) string {
	quoted, unknown := strings.CutPrefix(err.Error(), "json: unknown field ")
	key, notQuoted := strconv.Unquote(quoted)
	if !unknown || notQuoted != nil {
		return ""
	}
	known := keys(reflect.TypeOf(v))
	near := nearest.Name(key, known)
	for _, k := range known { // apiGroup for group
		if near == "" && len(k) > 3 && len(key) <= 2*len(k) && strings.HasSuffix(strings.ToLower(key), strings.ToLower(k)) {
			near = k
		}
	}
	if near == "" {
		return ""
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
