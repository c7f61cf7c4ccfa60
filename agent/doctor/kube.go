package doctor

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"

	"github.com/fairlead-io/fairlead/agent/allow"
	"github.com/fairlead-io/fairlead/agent/upstream"
	"github.com/fairlead-io/fairlead/deploy/diagnosis"
	"github.com/fairlead-io/fairlead/subjects/cause"
)

// kubeLook is a look at the API server.
type kubeLook struct {
	cfg   *Config
	up    *upstream.Client
	agent string // User-Agent
	check *diagnosis.Check
}

func (k *kubeLook) look(ctx context.Context) *diagnosis.Target {
	ctx, cancel := context.WithTimeout(ctx, k.cfg.Timeout)
	defer cancel()
	k.agent = "fairlead-agent-doctor/" + k.cfg.Version
	t := diagnosis.New("API server", "kubernetes", cause.Kubernetes)
	k.check = t.Checks[0]
	config, err := k.cfg.LoadKube()
	if err == nil {
		k.up, err = upstream.New(config, slog.New(slog.DiscardHandler))
	}
	if err != nil {
		f := cause.Of(err)
		if f == nil {
			f = &cause.Failure{Hop: cause.Kubernetes, Cause: cause.APIServerConfig, Got: err.Error()}
		}
		k.check.Fail(f)
		return t
	}
	defer k.up.Close()
	t.Name += " " + k.up.Host()
	found, err := k.up.Checkup(ctx, k.agent)
	k.facts(found)
	if err != nil {
		k.check.Fail(cause.Of(err))
		return t
	}
	k.check.Pass(summary(found))
	k.rights(ctx, k.list())
	return t
}

// clockAhead is how far the API server's clock is ahead of this machine's, if it has
// answered.
func (k *kubeLook) clockAhead() (ahead time.Duration, known bool) {
	if k.up == nil {
		return 0, false
	}
	return k.up.ClockAhead()
}

// facts notes what was found, also before a failure.
func (k *kubeLook) facts(found *upstream.Checkup) {
	c := k.check
	c.Took(found.Took)
	if found.TLS != nil {
		c.PassTLS(found.TLS, found.Now)
	}
	c.Fact("kubernetes", found.Version)
	c.Fact("user", found.User)
	c.Fact("http", found.Protocol)
	c.WarnSkew(found.Date, found.Now)
}

// summary is what was found in words.
func summary(found *upstream.Checkup) string {
	parts := []string{"Kubernetes of an unknown version"}
	if found.Version != "" {
		parts[0] = "Kubernetes " + found.Version
	}
	if found.TLS != nil && len(found.TLS.PeerCertificates) > 0 {
		leaf := found.TLS.PeerCertificates[0]
		parts = append(parts, fmt.Sprintf("certificate by %s, %s", leaf.Issuer, diagnosis.Until(leaf.NotAfter, found.Now)))
	} else {
		parts = append(parts, "plain HTTP")
	}
	if found.User != "" {
		parts = append(parts, "as "+found.User)
	}
	return strings.Join(parts, ", ")
}

// list reads the allow-list, nil if there is none or it cannot be used.
func (k *kubeLook) list() *allow.List {
	if k.cfg.AllowFile == "" {
		return nil
	}
	content, err := os.ReadFile(k.cfg.AllowFile)
	own := ""
	if err == nil && k.cfg.Namespace != nil {
		own, err = k.cfg.Namespace()
	}
	var list *allow.List
	if err == nil {
		list, err = allow.Parse(content, own)
	}
	if err != nil {
		k.check.Fail(&cause.Failure{
			Hop: cause.Kubernetes, Cause: cause.APIServerConfig, Tried: "read the allow-list " + k.cfg.AllowFile, Got: err.Error(),
			Do: "Mend the list; 'fairlead-agent check-allow' says all that is wrong with it. Until then the agent executes nothing.",
		})
		return nil
	}
	k.check.Found += "; allow-list: " + list.Summary()
	k.check.Fact("allowList", list.Summary())
	return list
}

// maxReviews bounds the questions about rights: a list may have hundreds of users.
const maxReviews = 50

// rights asks what the agent may do: in general, and as whom the list lets it act.
func (k *kubeLook) rights(ctx context.Context, list *allow.List) {
	if k.check.Status == diagnosis.Failed {
		return
	}
	var needed []allow.Impersonation
	if list != nil {
		needed = list.Impersonations()
	}
	var missing []string
	for i, n := range needed {
		if i == maxReviews {
			k.check.Warn(fmt.Sprintf("only the first %d of %d identities of the allow-list were checked", maxReviews, len(needed)))
			break
		}
		may, err := k.up.May(ctx, k.agent, authorizationv1.ResourceAttributes{
			Verb: "impersonate", Group: n.Group, Resource: n.Resource, Subresource: n.Subresource, Namespace: n.Namespace, Name: n.Name,
		})
		if err != nil {
			k.check.Fail(cause.Of(err))
			return
		}
		if !may {
			missing = append(missing, describe(n))
		}
	}
	if len(missing) > 0 {
		k.check.Fail(&cause.Failure{
			Hop: cause.Kubernetes, Cause: cause.RBACMissing, Tried: "ask for the rights that the allow-list needs",
			Got: "may not impersonate " + strings.Join(missing, ", "),
			Do:  "Add the rules, in the chart by its values under impersonation, or take the identities off the list.",
		})
		return
	}
	k.general(ctx)
}

// describe names a right to impersonate as a rule of RBAC has it.
func describe(n allow.Impersonation) string {
	text := n.Resource
	if n.Subresource != "" {
		text += "/" + n.Subresource
	}
	if n.Name == "" {
		return "any of " + text
	}
	text += " " + n.Name
	if n.Namespace != "" {
		text += " in namespace " + n.Namespace
	}
	return text
}

// examples are rights that tell presets apart.
var examples = []struct {
	words string
	what  authorizationv1.ResourceAttributes
}{
	{"do everything", authorizationv1.ResourceAttributes{Verb: "*", Group: "*", Resource: "*"}},
	{"list pods", authorizationv1.ResourceAttributes{Verb: "list", Resource: "pods"}},
	{"read Secrets", authorizationv1.ResourceAttributes{Verb: "get", Resource: "secrets"}},
	{"create pods", authorizationv1.ResourceAttributes{Verb: "create", Resource: "pods"}},
	{"impersonate users", authorizationv1.ResourceAttributes{Verb: "impersonate", Resource: "users"}},
}

// general says what the agent may do in all namespaces, by a few examples.
func (k *kubeLook) general(ctx context.Context) {
	var may []string
	for _, e := range examples {
		yes, err := k.up.May(ctx, k.agent, e.what)
		if err != nil {
			k.check.Warn("the API server does not say what the agent may do: " + err.Error())
			return
		}
		if !yes {
			continue
		}
		if may = append(may, e.words); e.what.Verb == "*" {
			break
		}
	}
	k.check.Fact("may", strings.Join(may, ", "))
	if len(may) > 0 {
		k.check.Found += "; in all namespaces it may " + strings.Join(may, ", ")
		return
	}
	k.nothing(ctx)
}

// nothing warns if the agent has no rights at all, in its own namespace either.
func (k *kubeLook) nothing(ctx context.Context) {
	namespace := "default"
	if k.cfg.Namespace != nil {
		if own, err := k.cfg.Namespace(); err == nil {
			namespace = own
		}
	}
	rules, err := k.up.Rules(ctx, k.agent, namespace)
	if err != nil || rules.Incomplete {
		return
	}
	for _, r := range rules.ResourceRules {
		// Everybody may ask for reviews of oneself.
		if strings.Join(r.Verbs, "") != "create" || !strings.Contains(strings.Join(r.Resources, " "), "selfsubject") {
			k.check.Found += "; it has rights in namespaces, or to single objects"
			return
		}
	}
	k.check.Warn("the agent has no rights in namespace " + namespace + " and none in all namespaces: if it has none elsewhere, every request is refused with 403")
}
