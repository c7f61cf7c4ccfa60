package harness

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
)

// LoadImages gives images to the node of a cluster of StartKube, from archives
// as 'docker save' makes them. Pods must not set the pull policy Always.
func (k *Kube) LoadImages(ctx context.Context, archives ...string) error {
	if k.process == nil {
		return errors.New("load images: the cluster is somebody else's")
	}
	args := append([]string{"load", "--dir", k.dir, "--"}, archives...)
	// The program that runs the cluster knows where its node is.
	if out, err := exec.CommandContext(ctx, k.process.spec.Path, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("load images: %w: %s", err, strings.TrimSpace(string(out)))
	}
	return nil
}
