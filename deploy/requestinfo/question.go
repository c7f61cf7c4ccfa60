package requestinfo

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/fields"
)

// Attributes are what a request for a resource is about, as in Kubernetes' access
// reviews.
type Attributes struct {
	Verb, Group, Version, Resource, Subresource, Namespace, Name string
}

// verbMethods are the methods of HTTP by Kubernetes' verb.
var verbMethods = map[string]string{
	"get": http.MethodGet, "list": http.MethodGet, "watch": http.MethodGet, "create": http.MethodPost, "update": http.MethodPut,
	"patch": http.MethodPatch, "delete": http.MethodDelete, "deletecollection": http.MethodDelete,
}

// Request returns the method and the target of a request with these attributes, of API
// version v1 unless they name another. The resource may have its subresource behind a
// slash, as in pods/exec. A subresource that is created in no object that is named is
// asked about for the name *.
//
// An API server that gets the request reads these attributes from it; what no request
// can have is an error.
func (a *Attributes) Request() (method, target string, err error) {
	asked, err := a.normal()
	if err != nil {
		return "", "", err
	}
	method, target = verbMethods[asked.Verb], asked.target()
	if err := asked.sameAs(method, target); err != nil {
		return "", "", err
	}
	return method, target, nil
}

// normal are the attributes with each in its own field.
func (a *Attributes) normal() (*Attributes, error) {
	n := *a
	var sub string
	var slash bool
	if n.Resource, sub, slash = strings.Cut(a.Resource, "/"); slash {
		if sub == "" || a.Subresource != "" && a.Subresource != sub {
			return nil, fmt.Errorf("subresource: %.63q, but the resource is %.63q", a.Subresource, a.Resource)
		}
		n.Subresource = sub
	}
	if n.Version == "" {
		n.Version = "v1"
	}
	if _, ok := verbMethods[n.Verb]; !ok {
		return nil, fmt.Errorf("verb: %.63q is not one of get, list, watch, create, update, patch, delete, deletecollection", n.Verb)
	}
	switch {
	case ofCollection(n.Verb) && n.Subresource != "":
		return nil, fmt.Errorf("verb: %s is for collections, and a subresource such as %.63s is part of one object: its verbs are get, create, update, patch and delete",
			n.Verb, n.Resource+"/"+n.Subresource)
	case n.Verb == "deletecollection" && n.Name != "":
		return nil, fmt.Errorf("name: %.63q, but deletecollection is for no single object; delete is", n.Name)
	case ofObject(n.Verb) && n.Name == "":
		return nil, fmt.Errorf("name: none given; %s is for one object", n.Verb)
	case n.Verb == "create" && n.Subresource == "":
		n.Name = "" // which is in the body alone, where nobody who decides sees it
	case n.Verb == "create" && n.Name == "":
		n.Name = AnyName
	}
	return &n, nil
}

func ofCollection(verb string) bool {
	return verb == "list" || verb == "watch" || verb == "deletecollection"
}

func ofObject(verb string) bool {
	return slices.Contains([]string{"get", "delete", "update", "patch"}, verb)
}

func (a *Attributes) target() string {
	segments := []string{"", "api", a.Version}
	if a.Group != "" {
		segments = []string{"", "apis", a.Group, a.Version}
	}
	if a.Namespace != "" && a.Resource != "namespaces" {
		segments = append(segments, "namespaces", a.Namespace)
	}
	segments = append(segments, a.Resource)
	query := make(url.Values)
	switch {
	case a.Name == "":
	case ofCollection(a.Verb):
		query.Set("fieldSelector", fields.OneTermEqualSelector("metadata.name", a.Name).String())
	default:
		segments = append(segments, a.Name)
	}
	if a.Subresource != "" {
		segments = append(segments, a.Subresource)
	}
	if a.Verb == "watch" {
		query.Set("watch", "true")
	}
	for i, s := range segments {
		segments[i] = url.PathEscape(s)
	}
	target := strings.Join(segments, "/")
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	return target
}

// sameAs says which attribute is another one in the request that was made of them, so
// that nobody gets an answer about a request that was not asked about.
func (a *Attributes) sameAs(method, target string) error {
	info, err := Parse(method, target)
	if err != nil {
		return err
	}
	namespace := info.Namespace
	if a.Resource == "namespaces" { // which are in themselves
		namespace = a.Namespace
	}
	attributes := []struct{ field, asked, read string }{
		{"verb", a.Verb, info.Verb}, {"group", a.Group, info.APIGroup}, {"version", a.Version, info.APIVersion},
		{"resource", a.Resource, info.Resource}, {"subresource", a.Subresource, info.Subresource},
		{"namespace", a.Namespace, namespace}, {"name", a.Name, info.Name},
	}
	for _, f := range attributes {
		if strings.ContainsFunc(f.asked, misread) || strings.Contains(f.asked, "/") || f.asked == "." || f.asked == ".." {
			return fmt.Errorf("%s: %.63q cannot be part of a request's path", f.field, f.asked)
		}
	}
	for _, f := range attributes {
		if f.asked != f.read {
			return fmt.Errorf("%s: an API server would read %.63q from the path of this request, not %.63q", f.field, f.read, f.asked)
		}
	}
	return nil
}

// Question is a request that somebody asks about in words.
type Question struct {
	Method, Target string
	// Upgrade reports whether clients make such a request with an upgrade.
	Upgrade bool
}

// ParseQuestion reads words such as
//
//	get deployments.apps web
//	create pods/exec web
//	GET /version
//
// A request for one object whose name does not matter has the name *.
func ParseQuestion(words []string, namespace string) (*Question, error) {
	if len(words) == 2 && strings.HasPrefix(words[1], "/") {
		if namespace != "" {
			return nil, fmt.Errorf("a path has its namespace in it")
		}
		q := &Question{Method: strings.ToUpper(words[0]), Target: words[1]}
		if info, err := Parse(q.Method, q.Target); err == nil { // else it is refused, whatever it asks for
			q.Upgrade = info.Upgrades()
		}
		return q, nil
	}
	if len(words) < 2 || len(words) > 3 {
		return nil, fmt.Errorf("a request is written VERB RESOURCE [NAME], such as get deployments.apps web, or METHOD PATH, such as GET /version")
	}
	a := Attributes{Verb: words[0], Namespace: namespace}
	resource, sub, slash := strings.Cut(words[1], "/")
	a.Resource, a.Group, _ = strings.Cut(resource, ".")
	if a.Subresource = sub; strings.Contains(sub, ".") && a.Group == "" { // deployments/scale.apps
		a.Subresource, a.Group, _ = strings.Cut(sub, ".")
	}
	if slash && a.Subresource == "" {
		return nil, fmt.Errorf("resource: %.63q has no subresource behind the slash", words[1])
	}
	if len(words) == 3 {
		a.Name = words[2]
	} else if ofObject(a.Verb) {
		a.Name = AnyName
	}
	method, target, err := a.Request()
	if err != nil {
		return nil, err
	}
	return &Question{Method: method, Target: target, Upgrade: upgrades(a.Subresource)}, nil
}

// Upgrades reports whether clients of Kubernetes make such a request with an upgrade of
// the connection. Others can ask for one too.
func (i *Info) Upgrades() bool { return i.IsResource && upgrades(i.Subresource) }

func upgrades(subresource string) bool {
	return slices.Contains([]string{"exec", "attach", "portforward"}, subresource)
}

// AnyName stands for a name that a question leaves out. No object has it.
const AnyName = "*"
