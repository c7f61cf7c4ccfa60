package requestinfo

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
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
// version v1 unless they name another.
func (a *Attributes) Request() (method, target string, err error) {
	method, ok := verbMethods[a.Verb]
	switch {
	case !ok:
		return "", "", fmt.Errorf("verb: %.63q is not one of get, list, watch, create, update, patch, delete, deletecollection", a.Verb)
	case slices.Contains([]string{"get", "delete", "update", "patch"}, a.Verb) && a.Name == "":
		return "", "", fmt.Errorf("name: none given; %s is for one object", a.Verb)
	}
	version := a.Version
	if version == "" {
		version = "v1"
	}
	segments := []string{"", "api", version}
	if a.Group != "" {
		segments = []string{"", "apis", a.Group, version}
	}
	if a.Namespace != "" && a.Resource != "namespaces" {
		segments = append(segments, "namespaces", a.Namespace)
	}
	segments = append(segments, a.Resource)
	named := a.Name != "" && a.Verb != "list" && a.Verb != "watch" && a.Verb != "deletecollection"
	if named && (a.Verb != "create" || a.Subresource != "") {
		segments = append(segments, a.Name)
		if a.Subresource != "" {
			segments = append(segments, a.Subresource)
		}
	}
	for i, s := range segments {
		segments[i] = url.PathEscape(s)
	}
	target = strings.Join(segments, "/")
	if a.Verb == "watch" {
		target += "?watch=true"
	}
	return method, target, nil
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
		return &Question{Method: strings.ToUpper(words[0]), Target: words[1]}, nil
	}
	if len(words) < 2 || len(words) > 3 {
		return nil, fmt.Errorf("a request is written VERB RESOURCE [NAME], such as get deployments.apps web, or METHOD PATH, such as GET /version")
	}
	a := Attributes{Verb: words[0], Namespace: namespace}
	resource, sub, _ := strings.Cut(words[1], "/")
	a.Resource, a.Group, _ = strings.Cut(resource, ".")
	if a.Subresource = sub; strings.Contains(sub, ".") && a.Group == "" { // deployments/scale.apps
		a.Subresource, a.Group, _ = strings.Cut(sub, ".")
	}
	if len(words) == 3 {
		a.Name = words[2]
	} else if _, isVerb := verbMethods[a.Verb]; isVerb && (a.Verb != "create" || sub != "") {
		a.Name = anyName
	}
	method, target, err := a.Request()
	if err != nil {
		return nil, err
	}
	return &Question{Method: method, Target: target, Upgrade: slices.Contains([]string{"exec", "attach", "portforward"}, a.Subresource)}, nil
}

// anyName stands for a name that a question leaves out.
const anyName = "*"
