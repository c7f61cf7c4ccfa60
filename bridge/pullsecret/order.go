package pullsecret

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/bridge/platform/endpoint"
	"github.com/fairlead-io/fairlead/bridge/pullsecret/dockerconfig"
)

const (
	// maxBody bounds the body of a request in bytes: API servers take Secrets of 1 MiB.
	maxBody = 1 << 20
	// maxRegistries bounds those of one request; a kubelet tries each that matches.
	maxRegistries = 100
	// maxAccounts bounds the service accounts of one request, each of which costs two
	// requests of the cluster.
	maxAccounts = 50
)

const example = `{"registry": "registry.example.com", "username": "robot", "token": "...", "serviceAccounts": ["default"]}`

// order is what a PUT asks for.
type order struct {
	logins   []dockerconfig.Login
	accounts []string
	replace  bool // all entries, not only those of the same registries
	condition
	secrets []string // what no answer may show
}

// readOrder reads the body of a request, and how existing entries are treated.
func readOrder(w http.ResponseWriter, r *http.Request) (*order, *answer.Failure) {
	replace, f := readMode(r)
	if f != nil {
		return nil, f
	}
	var body api.PullSecret
	if f := readBody(w, r, &body, example); f != nil {
		return nil, f
	}
	o, f := check(&body)
	if f != nil {
		return nil, f
	}
	o.replace = replace
	return o, nil
}

// shownKey is an unknown key of a body that may be shown: a misspelt one, and no token in
// the wrong place.
var shownKey = regexp.MustCompile(`unknown field "[a-zA-Z]{1,20}"`)

// readBody reads the JSON of a body. Its failures have no value of it, nor a key that may
// be one.
func readBody(w http.ResponseWriter, r *http.Request, body any, example string) *answer.Failure {
	f := endpoint.ReadJSON(w, r, body, maxBody, example)
	if f != nil && strings.Contains(f.Detail, "unknown field") && !shownKey.MatchString(f.Detail) {
		return answer.Failf(f.Kind, "the body has an unknown key, which is not shown as it may be a secret; want JSON such as %s", example)
	}
	return f
}

// check checks what a body says. Its failures have no value of it.
func check(body *api.PullSecret) (*order, *answer.Failure) {
	logins, field := body.Registries, func(i int) string { return fmt.Sprintf("registries[%d].", i) }
	if body.RegistryLogin != (api.RegistryLogin{}) {
		if len(logins) > 0 {
			return nil, answer.Failf(answer.BadRequest, "registry and registries: give one of them")
		}
		logins, field = []api.RegistryLogin{body.RegistryLogin}, func(int) string { return "" }
	}
	switch {
	case len(logins) == 0:
		return nil, answer.Failf(answer.BadRequest, "registries: none given; want JSON such as %s", example)
	case len(logins) > maxRegistries:
		return nil, answer.Failf(answer.BadRequest, "registries: at most %d", maxRegistries)
	case len(body.ServiceAccounts) > maxAccounts:
		return nil, answer.Failf(answer.BadRequest, "serviceAccounts: at most %d", maxAccounts)
	}
	o := &order{}
	seen := map[dockerconfig.Registry]int{}
	for i := range logins {
		l, err := login(&logins[i])
		if err != nil {
			return nil, answer.Failf(answer.BadRequest, "%s%w", field(i), err)
		}
		if first, twice := seen[l.Registry]; twice {
			return nil, answer.Failf(answer.BadRequest, "registries[%d] and registries[%d] are the same registry", first, i)
		}
		seen[l.Registry] = i
		o.logins = append(o.logins, l)
		token := string(logins[i].Token + logins[i].Password)
		o.secrets = append(o.secrets, token, base64.StdEncoding.EncodeToString([]byte(logins[i].Username+":"+token)))
	}
	named := map[string]bool{}
	for i, name := range body.ServiceAccounts {
		if wrong := validation.IsDNS1123Subdomain(name); len(wrong) > 0 {
			return nil, answer.Failf(answer.BadRequest, "serviceAccounts[%d]: %s", i, strings.Join(wrong, "; "))
		}
		if !named[name] {
			named[name] = true
			o.accounts = append(o.accounts, name)
		}
	}
	return o, nil
}

func login(l *api.RegistryLogin) (dockerconfig.Login, error) {
	registry, err := dockerconfig.ParseRegistry(l.Registry)
	if err != nil {
		return dockerconfig.Login{}, fmt.Errorf("registry: %w", err)
	}
	if l.Token != "" && l.Password != "" {
		return dockerconfig.Login{}, fmt.Errorf("token and password: give one of them")
	}
	return dockerconfig.NewLogin(registry, l.Username, string(l.Token+l.Password), l.Email)
}

// query reads the parameters of a request's URL, of which only the known ones may be there.
func query(r *http.Request, known string) (value string, f *answer.Failure) {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return "", answer.Failf(answer.BadRequest, "the query cannot be read")
	}
	for key, all := range values {
		if key != known || len(all) != 1 {
			return "", answer.Failf(answer.BadRequest, "query: want %s= once, and nothing else", known)
		}
		value = all[0]
	}
	return value, nil
}

// readMode reads how the existing entries of a pull secret are treated.
func readMode(r *http.Request) (replace bool, f *answer.Failure) {
	switch mode, f := query(r, "mode"); {
	case f != nil:
		return false, f
	case mode == "replace":
		return true, nil
	case mode == "" || mode == "merge":
		return false, nil
	}
	return false, answer.Failf(answer.BadRequest, "mode: want merge or replace")
}

// readDetach reads whether service accounts keep a pull secret that is deleted.
func readDetach(r *http.Request) (keep bool, f *answer.Failure) {
	detach, f := query(r, "detach")
	if f != nil {
		return false, f
	}
	return keeps(detach)
}

func keeps(detach string) (keep bool, f *answer.Failure) {
	switch detach {
	case "false":
		return true, nil
	case "", "true":
		return false, nil
	}
	return false, answer.Failf(answer.BadRequest, "detach: want true or false")
}
