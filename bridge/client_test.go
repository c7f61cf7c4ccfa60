package bridge

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/bridge/client"
	"github.com/fairlead-io/fairlead/bridge/client/kube"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream"
)

// goClient is the client package with a token of this bridge. What it sends and gets is
// held against openapi.yaml.
func (r *rig) goClient(token string) *client.Client {
	r.t.Helper()
	c, err := client.New(r.url, client.Options{
		Token: client.Token(token), Transport: described().Transport(r.transport(true), r.misdescribed),
	})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(c.CloseIdleConnections)
	return c
}

func TestGoClient(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigOptions{clusters: []string{"spare"}})
	r.agent("acme", "prod", hello)
	c, ctx := r.goClient(r.acme), t.Context()

	list, err := c.Clusters(ctx, client.ClusterFilter{Tenant: "acme"})
	if err != nil || len(list.Clusters) != 1 || list.Clusters[0].Name != "prod.acme" {
		t.Errorf("clusters: %+v, %v", list, err)
	}
	if one, err := c.Cluster(ctx, "prod.acme"); err != nil || one.State != "connected" {
		t.Errorf("cluster: %+v, %v", one, err)
	}
	_, err = c.Cluster(ctx, "spare.lab")
	if e, ok := errors.AsType[*client.Error](err); !ok || !errors.Is(err, client.ErrForbidden) || e.Problem.Lock != "grant" || e.Problem.RequestID == "" {
		t.Errorf("of another tenant: %v", err)
	}
	if text, err := c.Kubeconfig(ctx, "prod.acme", client.KubeconfigOptions{Auth: "exec"}); err != nil || !strings.Contains(string(text), "kubectl-fairlead") {
		t.Errorf("kubeconfig: %s, %v", text, err)
	}
	if result, err := c.Call(ctx, "prod.acme", api.Call{Path: "/version"}); err != nil || result.Status != 200 || string(result.Body) != `"hello"` {
		t.Errorf("call: %+v, %v", result, err)
	}
	if _, err := c.Call(ctx, "absent.acme", api.Call{Path: "/version"}); !errors.Is(err, client.ErrClusterNeverConnected) {
		t.Errorf("call of a cluster that is not there: %v", err)
	}
	if who, err := c.WhoAmI(ctx); err != nil || who.Name != "acme-ci" {
		t.Errorf("whoami: %+v, %v", who, err)
	}
	h := http.Client{Transport: c.Transport("prod.acme")}
	res, err := h.Get("https://kubernetes/version")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if text, err := io.ReadAll(res.Body); err != nil || string(text) != "hello" {
		t.Errorf("transport: %q, %v", text, err)
	}
	if _, err := r.goClient("nonsense").WhoAmI(ctx); !client.IsType(err, "unauthenticated") {
		t.Errorf("with a token of nobody: %v", err)
	}
}

func TestGoClientStreams(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigOptions{})
	r.agent("default", "prod", hello)
	c := r.goClient(r.token)
	var kinds, text string
	for line, err := range c.CallStream(t.Context(), "prod", api.Call{Path: "/version"}) {
		switch {
		case err != nil:
			t.Fatal(err)
		case line.Head != nil:
			kinds += "head "
		case line.End != nil:
			kinds += "end"
		default:
			text += line.Body
		}
	}
	if kinds != "head end" || text != "hello" {
		t.Errorf("%s, %q", kinds, text)
	}
	for _, err := range c.CallStream(t.Context(), "absent", api.Call{Path: "/version"}) {
		if !errors.Is(err, client.ErrClusterNeverConnected) {
			t.Errorf("%v", err)
		}
	}
}

func TestGoClientFleetCall(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigOptions{})
	r.agent("default", "prod", hello)
	r.agent("acme", "prod", hello)
	c := r.goClient(r.token)
	got := map[string]string{}
	var summary *api.FleetSummary
	call := api.FleetCall{Clusters: []string{"prod", "prod.acme", "absent"}, Call: api.Call{Path: "/version"}}
	for line, err := range c.FleetCall(t.Context(), call) {
		switch {
		case err != nil:
			t.Fatal(err)
		case line.Summary != nil:
			summary = line.Summary
		case line.Problem != nil:
			got[line.Cluster] = line.Problem.Code
		default:
			got[line.Cluster] = string(line.Body)
		}
	}
	if want := map[string]string{"prod": `"hello"`, "prod.acme": `"hello"`, "absent": "cluster-never-connected"}; !maps.Equal(got, want) {
		t.Errorf("got %v", got)
	}
	if summary == nil || summary.Total != 3 || !summary.Complete {
		t.Errorf("summary: %+v", summary)
	}
	for range c.FleetCall(t.Context(), call) {
		break // ends the request
	}
	for _, err := range c.FleetCall(t.Context(), api.FleetCall{Call: call.Call}) {
		if !errors.Is(err, client.ErrBadRequest) {
			t.Errorf("of no clusters: %v", err)
		}
	}
}

func TestGoClientApply(t *testing.T) {
	t.Parallel()
	r, kube := applyRig(t, rigOptions{})
	c := r.goClient(r.token)
	apply := func(objects string, o client.ApplyOptions) (actions map[string]string, failed error) {
		actions = map[string]string{}
		for line, err := range c.Apply(t.Context(), "prod", []byte(objects), o) {
			switch {
			case err != nil:
				failed = err
			case line.Summary != nil:
				actions["summary"] = fmt.Sprint(line.Summary.Created, line.Summary.Failed, line.Summary.Pruned, line.Summary.DryRun)
			default:
				actions[line.Result.Object.Name] = line.Result.Action
			}
		}
		return actions, failed
	}
	const two = "{apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {a: b}}}\n---\n{apiVersion: v1, kind: ConfigMap, metadata: {name: c, namespace: shop, labels: {a: b}}}\n"
	got, err := apply(two, client.ApplyOptions{FieldManager: "ci", Force: true, Timeout: time.Minute, Namespace: "shop"})
	if want := map[string]string{"shop": "created", "c": "created", "summary": "2 0 0 false"}; err != nil || !maps.Equal(got, want) {
		t.Errorf("got %v, %v", got, err)
	}
	before := len(kube.paths())
	o := client.ApplyOptions{FieldManager: "ci", DryRun: true, Prune: "a=b", PruneNamespaces: []string{"shop"}}
	if got, err := apply(two, o); err != nil || got["summary"] != "0 0 0 true" || len(kube.paths()) != before {
		t.Errorf("dry run: %v, %v", got, err)
	}
	if _, err := apply("kind: [", client.ApplyOptions{}); !errors.Is(err, client.ErrBadRequest) {
		t.Errorf("not YAML: %v", err)
	}
}

func TestGoClientAccessRequests(t *testing.T) {
	t.Parallel()
	r := newJITRig(t)
	r.agent("default", "prod", func(_ *subjects.RequestHead, s *stream.Stream) {
		reply(s, 201, `{"kind":"SelfSubjectAccessReview","apiVersion":"authorization.k8s.io/v1","status":{"allowed":true}}`, "Content-Type", "application/json")
	})
	dev, lead, ctx := r.goClient(r.issuer.Token(t, "dev", "devs")), r.goClient(r.issuer.Token(t, "lead", "leads")), t.Context()
	_, err := dev.Call(ctx, "prod", api.Call{Path: "/api"})
	if !errors.Is(err, client.ErrApprovalRequired) {
		t.Fatalf("%v", err)
	}
	ask := func() string {
		asked, err := dev.RequestAccess(ctx, api.AccessRequestSpec{Cluster: "prod", Grant: "admin", Reason: "INC-44"})
		if err != nil {
			t.Fatal(err)
		}
		return asked.ID
	}
	denied := ask()
	if got, err := lead.DenyAccess(ctx, denied, "not now"); err != nil || got.State != "denied" || got.Note != "not now" {
		t.Errorf("denied: %+v, %v", got, err)
	}
	id := ask()
	if got, err := lead.ApproveAccess(ctx, id, ""); err != nil || got.State != "approved" {
		t.Errorf("approved: %+v, %v", got, err)
	}
	if _, err := lead.ApproveAccess(ctx, id, ""); !errors.Is(err, client.ErrConflict) {
		t.Errorf("approved again: %v", err)
	}
	review, err := dev.ReviewAccess(ctx, "prod", api.AccessReview{Path: "/api/v1/pods"})
	if err != nil || !review.Allowed || review.Grant != "admin" {
		t.Errorf("review: %+v, %v", review, err)
	}
	if got, err := dev.EndAccess(ctx, id); err != nil || got.State != "ended" {
		t.Errorf("ended: %+v, %v", got, err)
	}
	if all, err := dev.AccessRequests(ctx); err != nil || len(all) != 2 {
		t.Errorf("%+v, %v", all, err)
	}
	if one, err := dev.AccessRequest(ctx, id); err != nil || one.EndedBy != "dev" {
		t.Errorf("%+v, %v", one, err)
	}
}

// TestRESTConfig: client-go lists through the bridge with nothing but the configuration.
func TestRESTConfig(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigOptions{})
	r.agent("default", "prod", func(head *subjects.RequestHead, s *stream.Stream) {
		if head.Target != "/api/v1/namespaces/shop/pods" {
			reply(s, 404, "")
			return
		}
		reply(s, 200, `{"kind":"PodList","apiVersion":"v1","items":[{"metadata":{"name":"web"}}]}`, "Content-Type", "application/json")
	})
	c, err := client.New(r.url, client.Options{Token: client.Token(r.token), TLS: client.TLS{CA: r.ca}})
	if err != nil {
		t.Fatal(err)
	}
	config, err := kube.RESTConfig(c, "prod")
	if err != nil {
		t.Fatal(err)
	}
	set, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	pods, err := set.CoreV1().Pods("shop").List(t.Context(), metav1.ListOptions{})
	if err != nil || len(pods.Items) != 1 || pods.Items[0].Name != "web" {
		t.Errorf("%+v, %v", pods, err)
	}
	if _, err := kube.RESTConfig(r.goClient(r.token), "prod"); err == nil {
		t.Error("made of a client with a transport of its own")
	}
}

// TestGoClientHasEveryType: of failures, and no other.
func TestGoClientHasEveryType(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("client/types.go")
	if err != nil {
		t.Fatal(err)
	}
	var has, want []string
	for _, m := range regexp.MustCompile(`Type = "([^"]*)"`).FindAllStringSubmatch(string(text), -1) {
		has = append(has, m[1])
	}
	for _, k := range answer.Kinds() {
		if k != answer.ClientGone { // no client gets it
			want = append(want, k.Code)
		}
	}
	slices.Sort(has)
	slices.Sort(want)
	if !slices.Equal(has, want) {
		t.Errorf("client/types.go has %q, want %q", has, want)
	}
}
