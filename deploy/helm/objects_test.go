package helm_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/json"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/yaml"
)

// object is one rendered object.
type object struct {
	text    []byte
	content map[string]any
	metav1.PartialObjectMetadata
	typed runtime.Object // nil for a custom resource
}

func (o *object) String() string { return fmt.Sprintf("%s %s/%s", o.Kind, o.Namespace, o.Name) }

// objects are the rendered objects of a chart.
type objects []*object

// strict refuses fields that the type does not have, and doubled ones.
var strict = json.NewSerializerWithOptions(json.DefaultMetaFactory, scheme.Scheme, scheme.Scheme,
	json.SerializerOptions{Yaml: true, Strict: true})

func parse(t *testing.T, out string) objects {
	t.Helper()
	var all objects
	documents := utilyaml.NewYAMLReader(bufio.NewReader(strings.NewReader(out)))
	for {
		text, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatalf("read rendered objects: %v", err)
		}
		o := &object{text: text}
		if err := yaml.UnmarshalStrict(text, &o.content); err != nil {
			t.Fatalf("not YAML: %v\n%s", err, text)
		}
		if len(o.content) == 0 {
			continue // nothing but comments
		}
		if err := yaml.Unmarshal(text, &o.PartialObjectMetadata); err != nil {
			t.Fatalf("not an object: %v\n%s", err, text)
		}
		if scheme.Scheme.Recognizes(o.GroupVersionKind()) {
			if o.typed, _, err = strict.Decode(text, nil, nil); err != nil {
				t.Fatalf("%s is not an object of Kubernetes: %v\n%s", o, err, text)
			}
		}
		all = append(all, o)
	}
}

// get returns the one object of a type and name.
func get[T runtime.Object](t *testing.T, all objects, name string) T {
	t.Helper()
	var found []T
	for _, o := range all {
		if typed, ok := o.typed.(T); ok && o.Name == name {
			found = append(found, typed)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d objects %T %q in %v", len(found), *new(T), name, all)
	}
	return found[0]
}

// has says whether there is an object of a kind.
func (all objects) has(kind string) bool {
	return slices.ContainsFunc(all, func(o *object) bool { return o.Kind == kind })
}

// check makes all checks that do not depend on the chart.
func (all objects) check(t *testing.T) {
	t.Helper()
	seen := map[string]bool{}
	for _, o := range all {
		if key := o.GroupVersionKind().GroupKind().String() + " " + o.String(); seen[key] {
			t.Errorf("%s is there twice", o)
		} else {
			seen[key] = true
		}
		if err := conforms(t, o); err != nil {
			t.Errorf("%s does not conform to Kubernetes %s: %v\n%s", o, kubeVersion(t), err, o.text)
		}
		o.checkLabels(t)
		if pod := o.pod(); pod != nil {
			checkRestricted(t, o, pod)
		}
	}
	all.checkSelectors(t)
}

// checkLabels checks the labels that Kubernetes recommends.
func (o *object) checkLabels(t *testing.T) {
	t.Helper()
	for _, label := range []string{"name", "instance", "version", "component", "part-of", "managed-by"} {
		if o.Labels["app.kubernetes.io/"+label] == "" {
			t.Errorf("%s lacks the label app.kubernetes.io/%s", o, label)
		}
	}
	if o.Labels["helm.sh/chart"] == "" {
		t.Errorf("%s lacks the label helm.sh/chart", o)
	}
}

// pod is the object's pod template, nil for none.
func (o *object) pod() *corev1.PodTemplateSpec {
	switch v := o.typed.(type) {
	case *corev1.Pod:
		return &corev1.PodTemplateSpec{ObjectMeta: v.ObjectMeta, Spec: v.Spec}
	case *appsv1.Deployment:
		return &v.Spec.Template
	case *appsv1.StatefulSet:
		return &v.Spec.Template
	case *appsv1.DaemonSet:
		return &v.Spec.Template
	case *batchv1.Job:
		return &v.Spec.Template
	case *batchv1.CronJob:
		return &v.Spec.JobTemplate.Spec.Template
	}
	return nil
}

// checkSelectors checks that each Service finds pods, and that a workload's selector
// matches its own pods and no others.
func (all objects) checkSelectors(t *testing.T) {
	t.Helper()
	for _, o := range all {
		var selector map[string]string
		switch v := o.typed.(type) {
		case *corev1.Service:
			if selector = v.Spec.Selector; selector == nil {
				continue
			}
		case *appsv1.Deployment:
			selector = v.Spec.Selector.MatchLabels
		case *appsv1.StatefulSet:
			selector = v.Spec.Selector.MatchLabels
		default:
			continue
		}
		var found []string
		for _, other := range all {
			if pod := other.pod(); pod != nil && labels.SelectorFromSet(selector).Matches(labels.Set(pod.Labels)) {
				found = append(found, other.String())
			}
		}
		if len(found) != 1 {
			t.Errorf("%s selects the pods of %v, want one, by %v", o, found, selector)
		}
	}
}
