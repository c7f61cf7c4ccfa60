package pullsecret

import (
	"context"

	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/api"
)

// put writes the pull secret, and attaches it to service accounts.
func (t *target) put(ctx context.Context, o *order) (report *api.PullSecretReport, created bool, f *answer.Failure) {
	t.secrets = o.secrets
	var s *secret
	if o.replace && !o.Exists {
		s, created, f = t.overwrite(ctx, o)
	} else {
		s, created, f = t.merge(ctx, o)
	}
	if f != nil {
		return nil, false, f
	}
	report = t.report(s)
	for _, name := range o.accounts {
		if f := t.attach(ctx, name); f != nil {
			return nil, false, o.partly(f).With("; the pull secret itself was written")
		}
	}
	report.ServiceAccounts = o.accounts
	return report, created, nil
}

// overwrite writes the pull secret without reading it, which a caller may that must not
// read Secrets.
func (t *target) overwrite(ctx context.Context, o *order) (s *secret, created bool, f *answer.Failure) {
	content, f := o.merged(nil)
	if f != nil {
		return nil, false, f
	}
	on := version{}
	if o.Absent {
		on = version{number: neverVersion}
	}
	s, created, f = t.apply(ctx, content, on)
	if f == errConflict {
		f = o.holds(&secret{})
	}
	return s, created, f
}

// merge adds the logins to what the pull secret has.
func (t *target) merge(ctx context.Context, o *order) (s *secret, created bool, f *answer.Failure) {
	f = retry(ctx, theSecret, func() (conflict bool, f *answer.Failure) {
		old, f := t.readSecret(ctx)
		if f != nil {
			return false, needsRead(f)
		}
		if f := o.holds(old); f != nil {
			return false, f
		}
		on := version{number: neverVersion}
		if old != nil {
			on = version{number: old.Metadata.ResourceVersion, uid: old.Metadata.UID}
			if f := old.suitable(); f != nil {
				return false, f
			}
		}
		content, f := o.merged(old)
		if f != nil {
			return false, f
		}
		s, created, f = t.apply(ctx, content, on)
		if f == errConflict {
			return true, nil
		}
		return false, f
	})
	return s, created, f
}

// needsRead says why a Secret is read, where that was refused.
func needsRead(f *answer.Failure) *answer.Failure {
	switch f.Kind {
	case answer.Forbidden, answer.ApprovalRequired, answer.Refused, answer.RBACRefused:
		return f.With("; the Secret is read to keep its other registries: with mode=replace it is written without being read")
	}
	return f
}
