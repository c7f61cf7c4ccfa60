package apply

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/api/validation/path"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/fairlead-io/fairlead/bridge/api"
)

// object is one that the cluster is to have.
type object struct {
	gvk       schema.GroupVersionKind
	namespace string // as it was written; "" where it was not
	name      string
	labels    labels.Set
	body      json.RawMessage
	// known is what discovery says of the kind, once it is known.
	known *resource
}

// maxLists bounds lists within lists.
const maxLists = 4

// objects are those of a body's documents, lists taken apart.
func objects(docs []json.RawMessage) (all []*object, err error) {
	for i, doc := range docs {
		if all, err = appendObjects(all, doc, 0); err != nil {
			return nil, fmt.Errorf("object %d: %w", i+1, err)
		}
	}
	return all, nil
}

func appendObjects(all []*object, doc json.RawMessage, depth int) ([]*object, error) {
	var is struct {
		APIVersion, Kind string
		Items            []json.RawMessage
	}
	if bytes.Equal(bytes.TrimSpace(doc), []byte("null")) {
		return all, nil
	}
	if err := json.Unmarshal(doc, &is); err != nil {
		return nil, fmt.Errorf("not an object of Kubernetes: %s", clean(err))
	}
	if !strings.HasSuffix(is.Kind, "List") || is.Items == nil {
		o, err := newObject(doc)
		if err != nil {
			return nil, err
		}
		if len(all) == maxDocuments {
			return nil, errTooMany
		}
		return append(all, o), nil
	}
	if depth == maxLists {
		return nil, errors.New("lists within lists within lists")
	}
	var err error
	for i, item := range is.Items {
		if all, err = appendObjects(all, item, depth+1); err != nil {
			return nil, fmt.Errorf("item %d: %w", i+1, err)
		}
	}
	return all, nil
}

func newObject(doc json.RawMessage) (*object, error) {
	var is struct {
		APIVersion, Kind string
		Metadata         struct {
			Name, GenerateName, Namespace string
			Labels                        labels.Set
		}
	}
	if err := json.Unmarshal(doc, &is); err != nil {
		return nil, fmt.Errorf("not an object of Kubernetes: %s", clean(err))
	}
	if is.APIVersion == "" || is.Kind == "" {
		return nil, errors.New("apiVersion or kind is missing")
	}
	gv, err := schema.ParseGroupVersion(is.APIVersion)
	if err != nil || gv.Version == "" || gv.Group != "" && len(validation.IsDNS1123Subdomain(gv.Group)) > 0 || len(validation.IsDNS1035Label(gv.Version)) > 0 {
		return nil, fmt.Errorf("apiVersion %.100q is not a group and a version", is.APIVersion)
	}
	o := &object{gvk: gv.WithKind(is.Kind), name: is.Metadata.Name, namespace: is.Metadata.Namespace, labels: is.Metadata.Labels, body: doc}
	switch {
	case len(is.Kind) > validation.DNS1035LabelMaxLength || len(validation.IsDNS1035Label(strings.ToLower(is.Kind))) > 0:
		return nil, fmt.Errorf("kind %.100q is not a name", is.Kind)
	case o.name == "" && is.Metadata.GenerateName != "":
		return nil, fmt.Errorf("%s: metadata.generateName makes a new object each time; server-side apply needs metadata.name", o)
	case o.name == "":
		return nil, fmt.Errorf("%s: metadata.name is missing", o)
	case len(o.name) > validation.DNS1123SubdomainMaxLength || len(path.IsValidPathSegmentName(o.name)) > 0 || strings.ContainsFunc(o.name, control):
		return nil, fmt.Errorf("%s: metadata.name %.100q cannot be part of a path", o.gvk.Kind, o.name)
	case o.namespace != "" && len(validation.IsDNS1123Label(o.namespace)) > 0:
		return nil, fmt.Errorf("%s: metadata.namespace %.100q is not a name of a namespace", o, o.namespace)
	}
	return o, nil
}

func control(r rune) bool { return r < ' ' || r == 0x7f }

// place is the namespace of the object, given that of objects without one; "" if the kind
// has none.
func (o *object) place(fallback string) string {
	switch {
	case o.known == nil:
		return o.namespace
	case !o.known.namespaced:
		return ""
	case o.namespace == "":
		return fallback
	}
	return o.namespace
}

// String is the object for people.
func (o *object) String() string {
	kind := o.gvk.Kind
	if o.gvk.Group != "" {
		kind += "." + o.gvk.Group
	}
	if o.namespace != "" {
		return kind + " " + o.namespace + "/" + o.name
	}
	return kind + " " + o.name
}

// reference is the object as results name it.
func (o *object) reference(fallback string) api.ObjectReference {
	return api.ObjectReference{APIVersion: o.gvk.GroupVersion().String(), Kind: o.gvk.Kind, Namespace: o.place(fallback), Name: o.name}
}

// key is what there is one object of.
type key struct {
	schema.GroupKind
	namespace, name string
}

// checkTwice refuses objects that are there more than once: which one counts would be
// left to chance.
func checkTwice(all []*object, fallback string) error {
	seen := make(map[key]bool, len(all))
	for _, o := range all {
		k := key{o.gvk.GroupKind(), o.namespace, o.name}
		if k.namespace == "" {
			k.namespace = fallback
		}
		if seen[k] {
			return fmt.Errorf("%s is in the body more than once", o)
		}
		seen[k] = true
	}
	return nil
}
