package testbed

import (
	"context"
	"fmt"
	"hash/fnv"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fairlead-io/fairlead/test/harness"
)

// namespaceWithin bounds the wait for what the controllers put into a new
// namespace.
const namespaceWithin = 3 * time.Minute

// maxName leaves room for suffixes that tests append to a name, so that the result
// is still a DNS label.
const maxName = 35

// NamespaceName makes a DNS label of a test's name. It is unique even if the name
// is cut.
func NamespaceName(t *testing.T) string {
	h := fnv.New32a()
	h.Write([]byte(t.Name()))
	name := strings.ToLower(strings.TrimPrefix(t.Name(), "Test"))
	name = strings.Map(func(r rune) rune {
		if (r >= 'a' && r <= 'z') || (r >= '0' && r <= '9') {
			return r
		}
		return '-'
	}, name)
	return fmt.Sprintf("%s-%08x", name[:min(len(name), maxName)], h.Sum32())
}

// MakeNamespace makes a namespace in which pods can be made, and deletes it when t
// ends. It fails t if it cannot.
func (s *Suite) MakeNamespace(t *testing.T, name string, labels map[string]string) {
	t.Helper()
	namespaces := s.Admin.CoreV1().Namespaces()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}}
	if _, err := namespaces.Create(t.Context(), namespace, metav1.CreateOptions{}); err != nil {
		t.Fatalf("make namespace: %v", err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := namespaces.Delete(ctx, name, metav1.DeleteOptions{}); err != nil {
			t.Errorf("delete namespace: %v", err)
		}
	})
	// Pods are refused until the controllers have made these two.
	Until(t, "the namespace's service account", namespaceWithin, func(ctx context.Context) error {
		_, err := s.Admin.CoreV1().ServiceAccounts(name).Get(ctx, "default", metav1.GetOptions{})
		return err
	})
	Until(t, "the namespace's CA", namespaceWithin, func(ctx context.Context) error {
		_, err := s.Admin.CoreV1().ConfigMaps(name).Get(ctx, "kube-root-ca.crt", metav1.GetOptions{})
		return err
	})
}

// Until waits for a condition, and fails t if the condition is not met within the
// bound.
func Until(t *testing.T, what string, within time.Duration, check func(context.Context) error) {
	t.Helper()
	if err := harness.Until(t.Context(), what, within, nil, check); err != nil {
		t.Fatal(err)
	}
}
