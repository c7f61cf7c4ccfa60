package pullsecret

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/internal/sleep"
	"github.com/fairlead-io/fairlead/bridge/platform/endpoint"
)

const (
	// maxDefaultWait bounds the wait for the service account "default", which a controller
	// makes moments after its namespace.
	maxDefaultWait = 5 * time.Second
	defaultPause   = 100 * time.Millisecond
	// listPage and maxPages bound the service accounts of a namespace that are looked at.
	listPage, maxPages = 100, 50
)

// account is a ServiceAccount of the cluster.
type account struct {
	Kind     string
	Metadata struct{ Name, ResourceVersion string }
	// ImagePullSecrets are kept as they are.
	ImagePullSecrets []json.RawMessage
}

// refersTo reports whether a reference names a Secret.
func refersTo(reference json.RawMessage, name string) bool {
	var r struct{ Name string }
	return json.Unmarshal(reference, &r) == nil && r.Name == name
}

// uses reports whether pods of the account use a pull secret.
func (a *account) uses(name string) bool {
	return slices.ContainsFunc(a.ImagePullSecrets, func(r json.RawMessage) bool { return refersTo(r, name) })
}

func (t *target) accountPath(name string) string {
	return "/api/v1/namespaces/" + t.namespace + "/serviceaccounts/" + name
}

// attach makes pods of a service account use the pull secret.
func (t *target) attach(ctx context.Context, name string) *answer.Failure {
	deadline := time.Now().Add(maxDefaultWait)
	for {
		_, f := t.patchAccount(ctx, name, func(refs []json.RawMessage) []json.RawMessage {
			reference, err := json.Marshal(map[string]string{"name": t.name})
			if err != nil { // a name can be encoded
				panic("pullsecret: encode a reference")
			}
			return append(refs, reference)
		}, func(a *account) bool { return !a.uses(t.name) })
		if f == nil || f.Kind != answer.ObjectNotFound || name != "default" || time.Now().After(deadline) {
			return f
		}
		if !sleep.For(ctx, defaultPause) {
			return ended(ctx)
		}
	}
}

// detach takes the pull secret from a service account, and reports whether it was there.
func (t *target) detach(ctx context.Context, name string) (was bool, f *answer.Failure) {
	was, f = t.patchAccount(ctx, name, func(refs []json.RawMessage) []json.RawMessage {
		return slices.DeleteFunc(refs, func(r json.RawMessage) bool { return refersTo(r, t.name) })
	}, func(a *account) bool { return a.uses(t.name) })
	if f != nil && f.Kind == answer.ObjectNotFound {
		return false, nil // deleted meanwhile
	}
	return was, f
}

// patchAccount changes the references of a service account where that is needed, on
// condition that nobody else has changed it meanwhile.
func (t *target) patchAccount(ctx context.Context, name string, change func([]json.RawMessage) []json.RawMessage, needed func(*account) bool) (patched bool, f *answer.Failure) {
	what := fmt.Sprintf("service account %q", name)
	f = retry(ctx, what, func() (conflict bool, f *answer.Failure) {
		res, f := t.do(ctx, http.MethodGet, t.accountPath(name), "", nil)
		if f != nil {
			return false, f
		}
		if res.Status != http.StatusOK {
			return false, t.explain(what, res)
		}
		var a account
		if json.Unmarshal(res.Body, &a) != nil || a.Kind != "ServiceAccount" || !endpoint.IsVersion(a.Metadata.ResourceVersion) {
			return false, unreadable(what)
		}
		if !needed(&a) {
			return false, nil
		}
		// A merge patch replaces lists: it has the references of others too.
		refs := change(a.ImagePullSecrets)
		if refs == nil {
			refs = []json.RawMessage{}
		}
		res, f = t.do(ctx, http.MethodPatch, t.accountPath(name)+"?fieldManager="+fieldManager, mergeType, map[string]any{
			"metadata": map[string]string{"resourceVersion": a.Metadata.ResourceVersion}, "imagePullSecrets": refs,
		})
		switch {
		case f != nil:
			return false, f
		case res.Status == http.StatusConflict:
			return true, nil
		case res.Status != http.StatusOK:
			return false, t.explain(what, res)
		}
		patched = true
		return false, nil
	})
	return patched, f
}

// users are the service accounts whose pods use the pull secret.
func (t *target) users(ctx context.Context) ([]string, *answer.Failure) {
	const what = "the service accounts"
	names := []string{}
	next, looked := "", 0
	for range maxPages {
		parameters := url.Values{"limit": {strconv.Itoa(listPage)}}
		if next != "" {
			parameters.Set("continue", next)
		}
		res, f := t.do(ctx, http.MethodGet, "/api/v1/namespaces/"+t.namespace+"/serviceaccounts?"+parameters.Encode(), "", nil)
		if f != nil {
			return nil, f
		}
		if res.Status != http.StatusOK {
			return nil, t.explain(what, res)
		}
		var list struct {
			Kind     string
			Metadata struct{ Continue string }
			Items    []account
		}
		if json.Unmarshal(res.Body, &list) != nil || list.Kind != "ServiceAccountList" {
			return nil, unreadable(what)
		}
		if looked += len(list.Items); looked > listPage*maxPages { // a page may have more than it should
			return nil, tooManyAccounts()
		}
		for _, a := range list.Items {
			if a.uses(t.name) && len(validation.IsDNS1123Subdomain(a.Metadata.Name)) == 0 {
				names = append(names, a.Metadata.Name)
			}
		}
		if next = list.Metadata.Continue; next == "" {
			return names, nil
		}
	}
	return nil, tooManyAccounts()
}

func tooManyAccounts() *answer.Failure {
	return answer.Failf(answer.ResponseTooLarge, "the namespace has more than %d service accounts", listPage*maxPages)
}
