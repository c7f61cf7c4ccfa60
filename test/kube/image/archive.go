package image

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
)

// File is an entry of an image's only layer.
type File struct {
	Path string // without a leading slash
	Mode int64  // permission bits
	Data []byte // of a regular file
	Link string // target of a symbolic link
	Dir  bool
}

// Image is an image that WriteArchive can write.
type Image struct {
	Tag          string // full name with tag
	Architecture string // as Go calls it
	Entrypoint   []string
	Cmd          []string
	Env          []string
	Files        []File // parents before children
}

// WriteArchive writes the image in the format of "docker save".
func (i Image) WriteArchive(w io.Writer) error {
	layer, err := i.layer()
	if err != nil {
		return fmt.Errorf("image %s: layer: %w", i.Tag, err)
	}
	layerSum := sha256.Sum256(layer)
	config, err := json.Marshal(map[string]any{
		"architecture": i.Architecture,
		"os":           "linux",
		"config":       map[string]any{"Entrypoint": i.Entrypoint, "Cmd": i.Cmd, "Env": i.Env},
		"rootfs":       map[string]any{"type": "layers", "diff_ids": []string{"sha256:" + hex.EncodeToString(layerSum[:])}},
	})
	if err != nil {
		return fmt.Errorf("image %s: config: %w", i.Tag, err)
	}
	configSum := sha256.Sum256(config)
	configName := hex.EncodeToString(configSum[:]) + ".json"
	manifest, err := json.Marshal([]any{map[string]any{
		"Config": configName, "RepoTags": []string{i.Tag}, "Layers": []string{"layer.tar"},
	}})
	if err != nil {
		return fmt.Errorf("image %s: manifest: %w", i.Tag, err)
	}
	err = writeTar(w, []File{
		{Path: configName, Mode: 0o644, Data: config},
		{Path: "layer.tar", Mode: 0o644, Data: layer},
		{Path: "manifest.json", Mode: 0o644, Data: manifest},
	})
	if err != nil {
		return fmt.Errorf("image %s: %w", i.Tag, err)
	}
	return nil
}

func (i Image) layer() ([]byte, error) {
	var b bytes.Buffer
	err := writeTar(&b, i.Files)
	return b.Bytes(), err
}

func writeTar(w io.Writer, files []File) error {
	tw := tar.NewWriter(w)
	for _, f := range files {
		h := &tar.Header{Name: f.Path, Mode: f.Mode, Typeflag: tar.TypeReg, Size: int64(len(f.Data)), Format: tar.FormatPAX}
		switch {
		case f.Dir:
			h.Typeflag, h.Name = tar.TypeDir, f.Path+"/"
		case f.Link != "":
			h.Typeflag, h.Linkname = tar.TypeSymlink, f.Link
		}
		if err := tw.WriteHeader(h); err != nil {
			return fmt.Errorf("%s: %w", f.Path, err)
		}
		if _, err := tw.Write(f.Data); err != nil {
			return fmt.Errorf("%s: %w", f.Path, err)
		}
	}
	return tw.Close()
}
