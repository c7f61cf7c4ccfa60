package pullsecret

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/api"
)

const fleetExample = `{"clusters": ["prod.acme"], "namespaces": ["shop"], "registry": "registry.example.com", "username": "robot", "token": "..."}`

// readFleet reads the body of a PUT for many clusters.
func readFleet(w http.ResponseWriter, r *http.Request) (*api.FleetPullSecret, *order, *answer.Failure) {
	replace, f := readMode(r)
	if f == nil {
		f = unconditional(r)
	}
	if f != nil {
		return nil, nil, f
	}
	var body api.FleetPullSecret
	if f := readBody(w, r, &body, fleetExample); f != nil {
		return nil, nil, f
	}
	if f := checkNamespaces(body.Namespaces); f != nil {
		return nil, nil, f
	}
	o, f := check(&body.PullSecret)
	if f != nil {
		return nil, nil, f
	}
	o.replace = replace
	return &body, o, nil
}

// readWhere reads the query of a GET or DELETE for many clusters.
func readWhere(r *http.Request, deletes bool) (where *api.FleetPullSecret, keep bool, f *answer.Failure) {
	if f := unconditional(r); f != nil {
		return nil, false, f
	}
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, false, answer.Failf(answer.BadRequest, "the query cannot be read")
	}
	where = &api.FleetPullSecret{}
	for key, all := range values {
		value := all[0]
		switch {
		case len(all) > 1:
			return nil, false, answer.Failf(answer.BadRequest, "query: %q is there twice; several values are separated by commas", answer.Clip(key))
		case key == "clusters":
			where.Clusters = strings.Split(value, ",")
		case key == "selector":
			where.Selector = &value
		case key == "tenant":
			where.Tenant = value
		case key == "state":
			where.State = value
		case key == "namespaces":
			where.Namespaces = strings.Split(value, ",")
		case key == "timeout":
			where.Timeout = value
		case key == "deadline":
			where.Deadline = value
		case key == "concurrency":
			if where.Concurrency, err = strconv.Atoi(value); err != nil {
				return nil, false, answer.Failf(answer.BadRequest, "concurrency: want a number")
			}
		case key == "detach" && deletes:
			if keep, f = keeps(value); f != nil {
				return nil, false, f
			}
		default:
			return nil, false, answer.Failf(answer.BadRequest, "query: %q is unknown; want clusters= (or selector=, tenant=, state=) and namespaces=, and perhaps timeout=, deadline= or concurrency=", answer.Clip(key))
		}
	}
	return where, keep, checkNamespaces(where.Namespaces)
}

// unconditional refuses conditions, which are on the version of one Secret.
func unconditional(r *http.Request) *answer.Failure {
	if r.Header.Get("If-Match") != "" || r.Header.Get("If-None-Match") != "" {
		return answer.Failf(answer.BadRequest, "If-Match and If-None-Match are for the pull secret of one namespace")
	}
	return nil
}

func checkNamespaces(names []string) *answer.Failure {
	if len(names) == 0 || len(names) > maxNamespaces {
		return answer.Failf(answer.BadRequest, "namespaces: want 1 to %d", maxNamespaces)
	}
	seen := map[string]bool{}
	for i, name := range names {
		if wrong := validation.IsDNS1123Label(name); len(wrong) > 0 {
			return answer.Failf(answer.BadRequest, "namespaces[%d]: %s", i, strings.Join(wrong, "; "))
		}
		if seen[name] {
			return answer.Failf(answer.BadRequest, "namespaces[%d]: %q is there twice", i, name)
		}
		seen[name] = true
	}
	return nil
}
