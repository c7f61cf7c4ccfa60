package pullsecret

import (
	"context"
	"net/http"

	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/bridge/pullsecret/dockerconfig"
)

// inspect reads the pull secret and says what it is worth, and who uses it.
func (t *target) inspect(ctx context.Context, requestID string) (*api.PullSecretReport, *answer.Failure) {
	s, f := t.readSecret(ctx)
	if f != nil {
		return nil, f
	}
	if s == nil {
		return nil, answer.Failf(answer.ObjectNotFound, "namespace %q has no Secret %q, or does not exist", t.namespace, t.name)
	}
	report := t.report(s)
	users, f := t.users(ctx)
	if f != nil { // the rest is worth telling
		report.ServiceAccountsProblem = f.For(t.visit.Name()).Problem(requestID)
		return report, nil
	}
	report.ServiceAccounts = users
	return report, nil
}

// report says what a Secret is worth.
func (t *target) report(s *secret) *api.PullSecretReport {
	j := dockerconfig.Judge(s.Type, s.Data)
	r := &api.PullSecretReport{
		Cluster: t.visit.Name(), Namespace: t.namespace, Name: t.name,
		WellFormed: j.WellFormed(), Type: t.shownType(s.Type), Immutable: s.Immutable, ResourceVersion: s.Metadata.ResourceVersion,
		Registries: []api.PullSecretRegistry{}, Findings: shownFindings(j.Findings),
	}
	r.RegistriesOmitted = j.More
	for _, e := range j.Entries {
		r.Registries = append(r.Registries, api.PullSecretRegistry{
			Registry: e.Registry, Key: e.Key, Complete: e.Complete, Findings: shownFindings(e.Findings),
		})
	}
	return r
}

// shownType is the type of a Secret as it may be shown.
func (t *target) shownType(is string) string {
	if is == dockerconfig.Type || is == dockerconfig.LegacyType {
		return is
	}
	return t.shown(is)
}

func shownFindings(all []dockerconfig.Finding) (shown []api.PullSecretFinding) {
	for _, f := range all {
		shown = append(shown, api.PullSecretFinding{Code: f.Code, Severity: string(f.Severity), Hint: f.Hint})
	}
	return shown
}

// remove deletes the pull secret, and takes it from the service accounts unless keep is
// set.
func (t *target) remove(ctx context.Context, c condition, keep bool) (*api.PullSecretDeleted, *answer.Failure) {
	done := &api.PullSecretDeleted{Detached: []string{}}
	var users []string
	if !keep { // first, as nothing is deleted if they cannot be read
		var f *answer.Failure
		if users, f = t.users(ctx); f != nil {
			return nil, f.With("; nothing was deleted: with detach=false service accounts are left as they are")
		}
	}
	f := retry(ctx, theSecret, func() (conflict bool, f *answer.Failure) {
		conflict, done.Deleted, f = t.deleteOnce(ctx, c)
		return conflict, f
	})
	if f != nil {
		return nil, f
	}
	for _, name := range users {
		was, f := t.detach(ctx, name)
		if f != nil {
			return nil, c.partly(f).With("; the Secret itself is gone: delete it once more to detach the rest")
		}
		if was {
			done.Detached = append(done.Detached, name)
		}
	}
	if !done.Deleted && len(done.Detached) == 0 {
		return nil, answer.Failf(answer.ObjectNotFound, "namespace %q has no Secret %q, or does not exist", t.namespace, t.name)
	}
	return done, nil
}

// deleteOnce deletes the Secret as it is read now.
func (t *target) deleteOnce(ctx context.Context, c condition) (conflict, deleted bool, f *answer.Failure) {
	s, f := t.readSecret(ctx)
	if f != nil {
		return false, false, f
	}
	if f := c.holds(s); f != nil || s == nil {
		return false, false, f
	}
	if s.Type != dockerconfig.Type && s.Type != dockerconfig.LegacyType {
		return false, false, answer.Failf(answer.SecretWrongType, "the Secret is of type %q, which is not a pull secret; it can be deleted under /k8s; nothing was deleted", t.shownType(s.Type))
	}
	res, f := t.do(ctx, http.MethodDelete, t.secretPath(), jsonType, map[string]any{
		"apiVersion": "v1", "kind": "DeleteOptions",
		"preconditions": map[string]string{"uid": s.Metadata.UID, "resourceVersion": s.Metadata.ResourceVersion},
	})
	switch {
	case f != nil:
		return false, false, f
	case res.Status == http.StatusConflict:
		return true, false, nil
	case res.Status == http.StatusNotFound:
		return false, false, nil
	case res.Status != http.StatusOK && res.Status != http.StatusAccepted:
		return false, false, t.explain(theSecret, res)
	}
	return false, true, nil
}
