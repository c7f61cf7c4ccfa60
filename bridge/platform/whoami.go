package platform

import (
	"net/http"
	"time"

	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/bridge/platform/endpoint"
)

// whoami says who the bridge takes the caller for.
func (p *Platform) whoami(w http.ResponseWriter, r *http.Request, rec *answer.Record, _ endpoint.Place) {
	v, f := p.Door.Authenticate(r, rec)
	if f != nil {
		answer.Fail(w, r, rec, answer.ProblemBody, f)
		return
	}
	c := v.Caller
	answer.JSON(w, r, rec, http.StatusOK, &api.Caller{
		Name: c.Name, Groups: c.Groups, UID: c.UID, Extra: c.Extra,
		Method: string(c.Method), Issuer: c.Issuer, Expires: timePtr(c.Expires),
	})
}

func timePtr(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}
