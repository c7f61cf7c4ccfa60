package image

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func sample() Image {
	return Image{
		Tag: "example.test/a:b", Architecture: "amd64", Entrypoint: []string{"/bin/run"},
		Files: []File{
			{Path: "bin", Mode: 0o755, Dir: true},
			{Path: "bin/run", Mode: 0o755, Data: []byte("program")},
			{Path: "bin/alias", Mode: 0o777, Link: "run"},
		},
	}
}

func readTar(t *testing.T, r io.Reader) (map[string]*tar.Header, map[string][]byte) {
	t.Helper()
	headers, data := map[string]*tar.Header{}, map[string][]byte{}
	tr := tar.NewReader(r)
	for {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return headers, data
		}
		if err != nil {
			t.Fatalf("read archive: %v", err)
		}
		body, err := io.ReadAll(tr)
		if err != nil {
			t.Fatalf("read %s: %v", h.Name, err)
		}
		headers[h.Name], data[h.Name] = h, body
	}
}

func TestArchiveIsWhatRuntimesImport(t *testing.T) {
	var b bytes.Buffer
	if err := sample().WriteArchive(&b); err != nil {
		t.Fatal(err)
	}
	_, files := readTar(t, &b)
	var manifest []struct {
		Config   string
		RepoTags []string
		Layers   []string
	}
	if err := json.Unmarshal(files["manifest.json"], &manifest); err != nil || len(manifest) != 1 {
		t.Fatalf("manifest.json: %v, %d images, want one", err, len(manifest))
	}
	m := manifest[0]
	if len(m.RepoTags) != 1 || m.RepoTags[0] != "example.test/a:b" {
		t.Errorf("tags are %q, want the image's one", m.RepoTags)
	}
	sum := sha256.Sum256(files[m.Config])
	if m.Config != hex.EncodeToString(sum[:])+".json" {
		t.Errorf("config %s is not named after its content", m.Config)
	}
	var config struct {
		Architecture, OS string
		Config           struct{ Entrypoint []string }
		RootFS           struct {
			DiffIDs []string `json:"diff_ids"`
		}
	}
	if err := json.Unmarshal(files[m.Config], &config); err != nil {
		t.Fatalf("config: %v", err)
	}
	if config.Architecture != "amd64" || config.OS != "linux" || config.Config.Entrypoint[0] != "/bin/run" {
		t.Errorf("config is %+v", config)
	}
	layer := files[m.Layers[0]]
	sum = sha256.Sum256(layer)
	if want := "sha256:" + hex.EncodeToString(sum[:]); len(config.RootFS.DiffIDs) != 1 || config.RootFS.DiffIDs[0] != want {
		t.Errorf("layers are %q, want %s: a runtime checks the sum", config.RootFS.DiffIDs, want)
	}
	headers, content := readTar(t, bytes.NewReader(layer))
	if h := headers["bin/"]; h == nil || h.Typeflag != tar.TypeDir {
		t.Errorf("bin/ is %+v, want a folder", h)
	}
	if h := headers["bin/alias"]; h == nil || h.Typeflag != tar.TypeSymlink || h.Linkname != "run" {
		t.Errorf("bin/alias is %+v, want a link to run", h)
	}
	if h := headers["bin/run"]; h == nil || h.Mode != 0o755 || string(content["bin/run"]) != "program" {
		t.Errorf("bin/run is %+v with %q", h, content["bin/run"])
	}
}

func TestSameContentGivesSameBytes(t *testing.T) {
	var a, b bytes.Buffer
	if err := errors.Join(sample().WriteArchive(&a), sample().WriteArchive(&b)); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(a.Bytes(), b.Bytes()) {
		t.Error("two archives of one image differ")
	}
}

func TestSingleRefusesWhatIsNoProgram(t *testing.T) {
	path := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := Single("t:t", "script", path); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("got %v, want an error that names the file", err)
	}
}
