package profile

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
)

// fieldManager owns what is applied.
const fieldManager = "kubectl-fairlead"

// Keeper writes profiles to one namespace of a cluster, the hub. Its methods must not run
// at the same time.
type Keeper struct {
	Hub     dynamic.ResourceInterface
	Manager string
	// Patience is how long a cluster must be missing from the lists before its profile is
	// deleted. Others deploy by profiles, and a bridge that has just started may not have
	// heard of every cluster yet.
	Patience time.Duration
	// Covers reports whether the lists that profiles are made of would have the cluster of
	// a profile; others' are not deleted. Nil: they have all clusters.
	Covers func(*Profile) bool

	missing map[string]time.Time // since when, by name
	applied map[string]applied   // by name
}

// applied is what was written as the status of a profile.
type applied struct {
	to     types.UID
	status Status
}

// Changes counts what was written.
type Changes struct{ Written, Deleted int }

// Keep makes the hub's profiles be those of want. prune says that want has all clusters,
// so that profiles of others are deleted, but never all of them: who sees no cluster any
// more has lost a grant rather than a fleet. It goes on after an error of one profile, and
// returns all of them.
func (k *Keeper) Keep(ctx context.Context, want []*Profile, prune bool, now time.Time) (done Changes, err error) {
	have, err := k.list(ctx)
	if err != nil || !prune {
		k.Forget()
	}
	if err != nil {
		return done, err
	}
	var failed []error
	for _, p := range want {
		old := have[p.Name]
		delete(have, p.Name)
		written, err := k.write(ctx, old, p)
		if err != nil {
			failed = append(failed, fmt.Errorf("ClusterProfile %s: %w", p.Name, err))
		}
		if written {
			done.Written++
		}
		if ctx.Err() != nil {
			return done, errors.Join(failed...)
		}
	}
	if prune {
		var errs []error
		done.Deleted, errs = k.prune(ctx, have, len(want) == 0, now)
		failed = append(failed, errs...)
	}
	return done, errors.Join(failed...)
}

// Forget begins the wait for [Keeper.Patience] anew: for when it cannot be known whether
// clusters are missing. The bridge may have been started meanwhile.
func (k *Keeper) Forget() { k.missing = nil }

// prune deletes those profiles of gone that have been so for long enough.
func (k *Keeper) prune(ctx context.Context, gone map[string]*Profile, all bool, now time.Time) (deleted int, failed []error) {
	missing := map[string]time.Time{}
	for name, old := range gone {
		if !k.owns(old) || k.Covers != nil && !k.Covers(old) || old.DeletionTimestamp != nil {
			continue
		}
		since, known := k.missing[name]
		if !known {
			since = now
		}
		missing[name] = since
		if all || now.Sub(since) < k.Patience {
			continue
		}
		err := k.Hub.Delete(ctx, name, metav1.DeleteOptions{
			Preconditions: &metav1.Preconditions{UID: &old.UID, ResourceVersion: &old.ResourceVersion},
		})
		switch {
		case err == nil:
			deleted++
			delete(k.applied, name)
		case !apierrors.IsNotFound(err):
			failed = append(failed, fmt.Errorf("delete ClusterProfile %s: %w", name, err))
		}
	}
	k.missing = missing
	if all && len(missing) > 0 {
		failed = append(failed, fmt.Errorf("the bridge shows no cluster, so none of the %d ClusterProfiles is deleted", len(missing)))
	}
	return deleted, failed
}

// owns goes by the field, which cannot change, and not by the label.
func (k *Keeper) owns(p *Profile) bool { return p.Spec.ClusterManager.Name == k.Manager }

// list returns the profiles of the namespace by name, those of other managers too.
func (k *Keeper) list(ctx context.Context) (map[string]*Profile, error) {
	list, err := k.Hub.List(ctx, metav1.ListOptions{})
	if apierrors.IsNotFound(err) {
		return nil, errors.New("the cluster has no ClusterProfiles: install the CRD of sigs.k8s.io/cluster-inventory-api")
	}
	if err != nil {
		return nil, fmt.Errorf("list ClusterProfiles: %w", err)
	}
	all := make(map[string]*Profile, len(list.Items))
	for _, item := range list.Items {
		p := &Profile{}
		if runtime.DefaultUnstructuredConverter.FromUnstructured(item.Object, p) != nil {
			// One that this version cannot read does not keep the others from being kept.
			p = &Profile{ObjectMeta: metav1.ObjectMeta{
				Name: item.GetName(), UID: item.GetUID(), ResourceVersion: item.GetResourceVersion(), DeletionTimestamp: item.GetDeletionTimestamp(),
			}}
			p.Spec.ClusterManager.Name, _, _ = unstructured.NestedString(item.Object, "spec", "clusterManager", "name")
		}
		all[item.GetName()] = p
	}
	return all, nil
}

// write writes one profile, as far as it differs from the old one.
func (k *Keeper) write(ctx context.Context, old, p *Profile) (written bool, err error) {
	if old != nil && !k.owns(old) {
		return false, fmt.Errorf("it belongs to the cluster manager %q, not to %q: choose another namespace", old.Spec.ClusterManager.Name, k.Manager)
	}
	if old == nil {
		old = &Profile{}
	}
	status := p.Status
	status.Conditions = since(old.Status.Conditions, p.Status.Conditions)
	o := metav1.ApplyOptions{FieldManager: fieldManager, Force: true}
	uid := old.UID
	if old.Spec != p.Spec || old.Labels[managerLabel] != k.Manager {
		u, err := object(&Profile{TypeMeta: p.TypeMeta, ObjectMeta: p.ObjectMeta, Spec: p.Spec}, "status")
		if err != nil {
			return false, err
		}
		now, err := k.Hub.Apply(ctx, p.Name, u, o)
		if err != nil {
			return false, err
		}
		written, uid = true, now.GetUID()
	}
	last := k.applied[p.Name]
	if has, others := old.Status.has(&status); has && (!others || last.to == uid && equality.Semantic.DeepEqual(last.status, status)) {
		return written, nil
	}
	u, err := object(&Profile{TypeMeta: p.TypeMeta, ObjectMeta: metav1.ObjectMeta{Name: p.Name, Namespace: p.Namespace}, Status: status}, "spec")
	if err != nil {
		return written, err
	}
	if _, err := k.Hub.ApplyStatus(ctx, p.Name, u, o); err != nil {
		return written, fmt.Errorf("status: %w", err)
	}
	if k.applied == nil {
		k.applied = map[string]applied{}
	}
	k.applied[p.Name] = applied{uid, status}
	return true, nil
}

// since returns the conditions of want, and no others: a condition keeps its time until its
// status changes.
func since(have, want []metav1.Condition) (all []metav1.Condition) {
	for _, c := range want {
		if old := meta.FindStatusCondition(have, c.Type); old != nil && old.Status == c.Status {
			c.LastTransitionTime = old.LastTransitionTime
		}
		all = append(all, c)
	}
	return all
}

// has reports whether s has all of want, and whether it has anything besides: that may be
// others', who may add to a status, or what want no longer has.
func (s *Status) has(want *Status) (has, others bool) {
	has = s.Version == want.Version
	for _, c := range want.Conditions {
		old := meta.FindStatusCondition(s.Conditions, c.Type)
		has = has && old != nil && equality.Semantic.DeepEqual(*old, c)
	}
	for _, p := range want.Properties {
		has = has && slices.Contains(s.Properties, p)
	}
	for _, a := range want.AccessProviders {
		has = has && slices.ContainsFunc(s.AccessProviders, func(b AccessProvider) bool { return equality.Semantic.DeepEqual(a, b) })
	}
	others = len(s.Conditions) > len(want.Conditions) || len(s.Properties) > len(want.Properties) || len(s.AccessProviders) > len(want.AccessProviders)
	return has, others
}

// object is a profile as the dynamic client sends it, without one of its fields.
func object(p *Profile, without string) (*unstructured.Unstructured, error) {
	o, err := runtime.DefaultUnstructuredConverter.ToUnstructured(p)
	if err != nil {
		return nil, err
	}
	delete(o, without)
	unstructured.RemoveNestedField(o, "metadata", "creationTimestamp")
	return &unstructured.Unstructured{Object: o}, nil
}
