package node

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"github.com/fairlead-io/fairlead/test/kube/image"
	"github.com/fairlead-io/fairlead/test/kube/slot"
)

// importImages makes the images and imports them into containerd.
func importImages(ctx context.Context, p places, pause string) error {
	busybox, err := find(busyboxPaths)
	if err != nil {
		return err
	}
	shell, err := image.Busybox(ctx, busyboxImage, busybox)
	if err != nil {
		return err
	}
	sandbox, err := image.Single(pauseImage, "pause", pause)
	if err != nil {
		return err
	}
	for _, i := range []image.Image{sandbox, shell} {
		if err := importImage(ctx, p, i); err != nil {
			return fmt.Errorf("import %s: %w", i.Tag, err)
		}
	}
	return nil
}

// Load imports archives in the format of 'docker save' into a running node.
func Load(ctx context.Context, s slot.Slot, archives []string, progress func(string)) error {
	p := places{s}
	for _, archive := range archives {
		if err := importArchive(ctx, p, archive); err != nil {
			return fmt.Errorf("load %s: %w", archive, err)
		}
		progress("loaded " + archive)
	}
	return nil
}

func importImage(ctx context.Context, p places, i image.Image) (err error) {
	f, err := os.CreateTemp(p.lib(), "image-*.tar")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Remove(f.Name())) }()
	if err := errors.Join(i.WriteArchive(f), f.Close()); err != nil {
		return err
	}
	return importArchive(ctx, p, f.Name())
}

func importArchive(ctx context.Context, p places, path string) error {
	return ctr(ctx, p, "images", "import", "--snapshotter", snapshotter(p), path)
}

// ctr runs containerd's own client against our containerd.
func ctr(ctx context.Context, p places, args ...string) error {
	path, err := find([]string{"ctr"})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	// The kubelet looks for images in the namespace k8s.io.
	args = append([]string{"--address", p.socket(), "--namespace", "k8s.io"}, args...)
	out, err := exec.CommandContext(ctx, path, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("ctr %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}
