package platform

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"

	"github.com/fairlead-io/fairlead/bridge/answer"
)

// readJSON decodes the body of a request, one JSON value of at most limit bytes, into
// v. Unknown fields are refused. example is shown for an empty body.
func readJSON(w http.ResponseWriter, r *http.Request, v any, limit int64, example string) *answer.Failure {
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
	return answer.Failf(answer.BadRequest, "the body cannot be read: %s", answer.Clip(err.Error()))
}
