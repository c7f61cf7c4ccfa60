package grant

import (
	"slices"
	"strings"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/bridge/access/expr"
	"github.com/fairlead-io/fairlead/subjects"
)

// variable numbers what expressions can ask for.
type variable int

const (
	callerName variable = iota
	callerGroups
	callerUID
	callerMethod
	callerIssuer
	claims
	clusterName
	clusterTenant
	clusterLabels
	requestVerb
	requestPath
	requestIsResource
	requestAPIGroup
	requestAPIVersion
	requestNamespace
	requestResource
	requestSubresource
	requestName
	variables // how many there are
)

// names are all variables that there are; number says which one a name stands for.
var names = []string{
	"caller.name", "caller.groups", "caller.uid", "caller.method", "caller.issuer", "caller.claims", "claims",
	"cluster.name", "cluster.tenant", "cluster.labels",
	"request.verb", "request.path", "request.isResource", "request.apiGroup", "request.apiVersion", "request.namespace",
	"request.resource", "request.subresource", "request.name",
}

// requestNames are those of names that only a request has.
var requestNames = slices.DeleteFunc(slices.Clone(names), func(name string) bool { return !strings.HasPrefix(name, "request.") })

// number is a switch, which takes a third of the time of a map: a decision may ask
// for hundreds of variables.
func number(name string) (n variable, ok bool) {
	switch name {
	case "caller.name":
		return callerName, true
	case "caller.groups":
		return callerGroups, true
	case "caller.uid":
		return callerUID, true
	case "caller.method":
		return callerMethod, true
	case "caller.issuer":
		return callerIssuer, true
	case "claims", "caller.claims":
		return claims, true
	case "cluster.name":
		return clusterName, true
	case "cluster.tenant":
		return clusterTenant, true
	case "cluster.labels":
		return clusterLabels, true
	case "request.verb":
		return requestVerb, true
	case "request.path":
		return requestPath, true
	case "request.isResource":
		return requestIsResource, true
	case "request.apiGroup":
		return requestAPIGroup, true
	case "request.apiVersion":
		return requestAPIVersion, true
	case "request.namespace":
		return requestNamespace, true
	case "request.resource":
		return requestResource, true
	case "request.subresource":
		return requestSubresource, true
	case "request.name":
		return requestName, true
	}
	return 0, false
}

// conditions may look at everything, identities at the caller only, so that a user
// is the same for all requests of a caller under a grant.
var (
	conditions = expr.NewEnv(declared("caller.", "claims", "cluster.", "request."))
	identities = expr.NewEnv(declared("caller.", "claims"))
)

func declared(prefixes ...string) expr.Variables {
	v := make(expr.Variables)
	for _, name := range names {
		n, _ := number(name)
		for _, p := range prefixes {
			if !strings.HasPrefix(name, p) {
				continue
			}
			switch n {
			case callerGroups:
				v[name] = expr.StringsType
			case claims:
				v[name] = expr.ClaimsType
			case clusterLabels:
				v[name] = expr.LabelsType
			case requestIsResource:
				v[name] = expr.BoolType
			default:
				v[name] = expr.StringType
			}
		}
	}
	return v
}

// mentions reports whether an expression uses a variable whose name begins so.
func mentions(p *expr.Program, prefix string) bool {
	for _, name := range names {
		if strings.HasPrefix(name, prefix) && p.Mentions(name) {
			return true
		}
	}
	return false
}

// vars are the variables of one decision, converted when they are first asked for.
// It is not safe for concurrent use.
type vars struct {
	caller  *access.Caller
	cluster subjects.ClusterRef
	labels  map[string]string
	request *request // nil where expressions that mention it are not evaluated

	values [variables]any
}

// ResolveName implements [cel.Activation].
func (v *vars) ResolveName(name string) (any, bool) {
	n, ok := number(name)
	if !ok || n >= requestVerb && v.request == nil {
		return nil, false
	}
	if v.values[n] == nil {
		v.values[n] = v.value(n)
	}
	return v.values[n], true
}

// Text implements [expr.Texter].
func (v *vars) Text(name, key string) (s string, ok bool) {
	n, ok := number(name)
	if !ok || n >= requestVerb && v.request == nil {
		return "", false
	}
	switch n {
	case claims:
		s, ok = v.caller.Claims[key].(string)
	case clusterLabels:
		s, ok = v.labels[key]
	case callerGroups, requestIsResource:
		return "", false
	default:
		s = v.text(n)
	}
	return s, ok
}

// Parent implements [cel.Activation].
func (v *vars) Parent() cel.Activation { return nil }

func (v *vars) value(n variable) any {
	switch n {
	case callerGroups:
		return types.NewStringList(types.DefaultTypeAdapter, v.caller.Groups)
	case claims:
		return types.NewStringInterfaceMap(types.DefaultTypeAdapter, v.caller.Claims)
	case clusterLabels:
		return types.NewStringStringMap(types.DefaultTypeAdapter, v.labels)
	case requestIsResource:
		return types.Bool(v.request.IsResource)
	}
	return types.String(v.text(n))
}

func (v *vars) text(n variable) string {
	switch n {
	case callerName:
		return v.caller.Name
	case callerUID:
		return v.caller.UID
	case callerMethod:
		return string(v.caller.Method)
	case callerIssuer:
		return v.caller.Issuer
	case clusterName:
		return v.cluster.Cluster
	case clusterTenant:
		return v.cluster.Tenant
	case requestVerb:
		return v.request.verb
	case requestPath:
		return v.request.Path
	case requestAPIGroup:
		return v.request.APIGroup
	case requestAPIVersion:
		return v.request.APIVersion
	case requestNamespace:
		return v.request.Namespace
	case requestResource:
		return v.request.Resource
	case requestSubresource:
		return v.request.Subresource
	case requestName:
		return v.request.Name
	}
	return ""
}
