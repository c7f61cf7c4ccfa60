package harness

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"runtime"
)

// saveTools writes an archive in the format of 'docker save', of an image with
// busybox and kubectl whose user is 65532.
func saveTools(path, tag, kubectl string) error {
	busybox, err := exec.LookPath("busybox")
	if err != nil {
		return err
	}
	var layer bytes.Buffer
	files := []archived{{name: "bin/"}}
	for name, from := range map[string]string{"bin/busybox": busybox, "bin/kubectl": kubectl} {
		data, err := os.ReadFile(from)
		if err != nil {
			return err
		}
		files = append(files, archived{name, 0o755, data})
	}
	if err := writeTar(&layer, files...); err != nil {
		return err
	}
	sum := sha256.Sum256(layer.Bytes())
	config, err := json.Marshal(map[string]any{
		"architecture": runtime.GOARCH, "os": "linux",
		"config": map[string]any{"User": "65532:65532", "Env": []string{"PATH=/bin"}},
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{"sha256:" + hex.EncodeToString(sum[:])}},
	})
	if err != nil {
		return err
	}
	manifest, err := json.Marshal([]any{map[string]any{
		"Config": "config.json", "RepoTags": []string{tag}, "Layers": []string{"layer.tar"},
	}})
	if err != nil {
		return err
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(writeTar(f,
		archived{"config.json", 0o644, config},
		archived{"layer.tar", 0o644, layer.Bytes()},
		archived{"manifest.json", 0o644, manifest},
	), f.Close())
}

// archived is an entry of an archive; a folder's name ends in a slash.
type archived struct {
	name string
	mode int64
	data []byte
}

func writeTar(to io.Writer, entries ...archived) error {
	w := tar.NewWriter(to)
	for _, e := range entries {
		h := &tar.Header{Name: e.name, Mode: e.mode, Typeflag: tar.TypeReg, Size: int64(len(e.data))}
		if e.data == nil {
			h.Typeflag, h.Mode = tar.TypeDir, 0o755
		}
		if err := w.WriteHeader(h); err != nil {
			return err
		}
		if _, err := w.Write(e.data); err != nil {
			return err
		}
	}
	return w.Close()
}
