package settings

import (
	"net/http"
	"slices"
	"strconv"

	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/bridge/platform/endpoint"
	"github.com/fairlead-io/fairlead/subjects"
)

// maxPage bounds what one answer lists, with up to 4 KiB each.
const maxPage = 500

// query is what a list asks for.
type query struct {
	tenant string // "": all
	state  state  // "": any
	after  *subjects.ClusterRef
	limit  int
}

// list answers with the settings of the clusters whose settings the caller may get, as this
// bridge has them in memory: a change at another bridge is there within seconds.
func (s *Service) list(w http.ResponseWriter, r *http.Request, rec *answer.Record, _ endpoint.Place) {
	visitor, f := s.Door.Authenticate(r, rec)
	if f != nil {
		answer.Fail(w, r, rec, answer.ProblemBody, f)
		return
	}
	q, f := readQuery(r)
	if f == nil && s.Desk == nil {
		f = noStore()
	}
	if f != nil {
		answer.Fail(w, r, rec, answer.ProblemBody, f)
		return
	}
	all, err := s.Desk.all()
	if err != nil {
		answer.Fail(w, r, rec, answer.ProblemBody, unavailable(err))
		return
	}
	page := api.SettingsList{Settings: []api.ClusterSettings{}}
	for _, doc := range all {
		if q.tenant != "" && doc.ref.Tenant != q.tenant || q.after != nil && compare(doc.ref, *q.after) <= 0 {
			continue
		}
		may, f := visitor.May(r.Context(), doc.ref, http.MethodGet, target)
		if f != nil {
			answer.Fail(w, r, rec, answer.ProblemBody, f)
			return
		}
		if !may {
			continue
		}
		v := s.Desk.view(doc)
		if q.state != "" && v.State != q.state {
			continue
		}
		if len(page.Settings) == q.limit {
			page.Continue = page.Settings[q.limit-1].Name
			break
		}
		v.Instances = nil
		page.Settings = append(page.Settings, *v)
	}
	answer.JSON(w, r, rec, http.StatusOK, page)
}

// states are those that a list can ask for.
var states = append(slices.Clone(worst[:]), api.SettingsOffline, api.SettingsUnknown)

// readQuery reads the parameters. One that would have no effect is refused.
func readQuery(r *http.Request) (*query, *answer.Failure) {
	q := &query{limit: maxPage}
	for key, values := range r.URL.Query() {
		if len(values) != 1 {
			return nil, answer.Failf(answer.BadRequest, "the query has %q more than once", answer.Clip(key))
		}
		value := values[0]
		switch key {
		case "tenant":
			q.tenant = value
		case "state":
			if q.state = state(value); !slices.Contains(states, q.state) {
				return nil, answer.Failf(answer.BadRequest, "state %q is none of %v", answer.Clip(value), states)
			}
		case "continue":
			ref, err := subjects.ParseClusterRef(value)
			if err != nil {
				return nil, answer.Failf(answer.BadRequest, "continue: %w", err)
			}
			q.after = &ref
		case "limit":
			n, err := strconv.Atoi(value)
			if err != nil || n < 1 || n > maxPage {
				return nil, answer.Failf(answer.BadRequest, "limit: %q is not a number from 1 to %d", answer.Clip(value), maxPage)
			}
			q.limit = n
		default:
			return nil, answer.Failf(answer.BadRequest, "the query has %q: want tenant, state, limit and continue", answer.Clip(key))
		}
	}
	return q, nil
}
