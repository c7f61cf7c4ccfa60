package subjects

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const (
	module   = "github.com/fairlead-io/fairlead/"
	internal = module + "subjects/stream/internal/"
)

// TestImports: the contract and the catalogue of causes import only the standard
// library; the engine only the contract and its own parts. Tests may import more. The
// rules of natslink and its dialer are among those of all packages, in ../test.
func TestImports(t *testing.T) {
	imports := map[string][]string{
		".": nil,
		"stream": {
			module + "subjects", internal + "flow", internal + "frame", internal + "idset", internal + "rtt",
			internal + "wait", internal + "workers",
		},
		"stream/internal/flow":    {module + "subjects"},
		"stream/internal/frame":   {module + "subjects", internal + "flow"},
		"stream/internal/idset":   nil,
		"stream/internal/rtt":     nil,
		"stream/internal/wait":    nil,
		"stream/internal/workers": nil,
		"cause":                   nil,
		"settings":                {module + "subjects"},
	}
	for dir, allowed := range imports {
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %d files, %v", dir, len(files), err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
			if err != nil {
				t.Fatal(err)
			}
			for _, spec := range f.Imports {
				path := strings.Trim(spec.Path.Value, `"`)
				first, _, _ := strings.Cut(path, "/")
				if strings.Contains(first, ".") && !slices.Contains(allowed, path) {
					t.Errorf("%s imports %s", file, path)
				}
			}
		}
	}
	// No other package hides below.
	known := []string{"stream/internal", "natslink"}
	for dir := range imports {
		known = append(known, dir)
	}
	_ = filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && !slices.Contains(known, filepath.ToSlash(path)) &&
			!strings.Contains(path, "testdata") && !strings.HasPrefix(filepath.ToSlash(path), "natslink/") && !strings.HasPrefix(filepath.ToSlash(path), "cause/") {
			t.Errorf("folder %s is not known to this test", path)
		}
		return err
	})
}
