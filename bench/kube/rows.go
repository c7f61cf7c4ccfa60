package kube

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
)

// Row is one thing that is measured.
type Row struct {
	Note, Unit string

	read func(context.Context, *side) (float64, error)
}

// Rows are those that can be measured here.
func (c *Cluster) Rows() []Row {
	rows := []Row{
		{"get of a ConfigMap of 1 KB", "us", c.get},
		{fmt.Sprintf("list of %d pods", c.sizes.pods), "ms", c.list},
		{"watch event, from the call that writes on", "us", c.watch},
	}
	if c.NoNode != "" {
		return rows
	}
	mib := c.sizes.bytes >> 20
	return append(rows,
		Row{"exec of true, from the call to the exit code", "ms", c.exec},
		Row{"exec of cat: a line and its echo", "us", c.echo},
		Row{fmt.Sprintf("cp of %d MiB into a pod", mib), "MiB/s", c.copyIn},
		Row{fmt.Sprintf("cp of %d MiB out of a pod", mib), "MiB/s", c.copyOut})
}

// Measure measures a row on one of the Sides.
func (c *Cluster) Measure(ctx context.Context, r Row, on string) (float64, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	v, err := r.read(ctx, c.sides[on])
	if err != nil {
		return 0, fmt.Errorf("%s, %s: %w", r.Note, on, err)
	}
	return v, nil
}

// median does something n times, and returns the median of how long each took: until the
// time that it returns.
func median(n int, do func() (time.Time, error)) (time.Duration, error) {
	took := make([]time.Duration, n)
	for i := range took {
		start := time.Now()
		end, err := do()
		if err != nil {
			return 0, err
		}
		took[i] = end.Sub(start)
	}
	slices.Sort(took)
	return took[n/2], nil
}

func micros(d time.Duration, err error) (float64, error) {
	return float64(d) / float64(time.Microsecond), err
}

func millis(d time.Duration, err error) (float64, error) {
	return float64(d) / float64(time.Millisecond), err
}

func (c *Cluster) get(ctx context.Context, s *side) (float64, error) {
	return micros(median(c.sizes.gets, func() (time.Time, error) {
		_, err := s.set.CoreV1().ConfigMaps(c.namespace).Get(ctx, configName, metav1.GetOptions{})
		return time.Now(), err
	}))
}

func (c *Cluster) list(ctx context.Context, s *side) (float64, error) {
	return millis(median(c.sizes.lists, func() (time.Time, error) {
		pods, err := s.set.CoreV1().Pods(c.namespace).List(ctx, metav1.ListOptions{LabelSelector: "listed=yes"})
		if err == nil && len(pods.Items) != c.sizes.pods {
			err = fmt.Errorf("%d pods, expected %d", len(pods.Items), c.sizes.pods)
		}
		return time.Now(), err
	}))
}

// watch measures how long after a write, which is direct on both sides, its event arrives.
func (c *Cluster) watch(ctx context.Context, s *side) (float64, error) {
	w, err := s.set.CoreV1().ConfigMaps(c.namespace).Watch(ctx, metav1.ListOptions{FieldSelector: "metadata.name=" + watchedName})
	if err != nil {
		return 0, err
	}
	defer w.Stop()
	next := func(want watch.EventType) error {
		select {
		case e, ok := <-w.ResultChan():
			if !ok || e.Type != want {
				return fmt.Errorf("got %q, expected an event %q", e.Type, want)
			}
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if err := next(watch.Added); err != nil { // from then on it runs
		return 0, err
	}
	written := make(chan error, 1)
	return micros(median(c.sizes.events, func() (time.Time, error) {
		go func() {
			patch := fmt.Appendf(nil, `{"data":{"at":"%d"}}`, time.Now().UnixNano())
			_, err := c.direct().CoreV1().ConfigMaps(c.namespace).Patch(ctx, watchedName, types.MergePatchType, patch, metav1.PatchOptions{})
			written <- err
		}()
		err := next(watch.Modified)
		end := time.Now()
		return end, errors.Join(err, <-written)
	}))
}
