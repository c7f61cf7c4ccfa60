package test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fairlead-io/fairlead/test/harness"
)

// The largest sizes that are easy to read, except in tests. See CONTRIBUTING.md.
const (
	maxFileLines    = 400
	maxFuncLines    = 60
	maxParams       = 6
	maxPackageFiles = 16
)

// TestSizes: a file has one idea, a function fits on a screen, a package has few
// files. It checks all modules of the repository.
func TestSizes(t *testing.T) {
	root, err := harness.Root()
	if err != nil {
		t.Fatal(err)
	}
	packages := map[string]int{}
	err = filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != root && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata") {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		packages[filepath.Dir(name)]++
		return checkSizes(t, name, path)
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(packages) < 40 {
		t.Fatalf("only %d packages found", len(packages))
	}
	for name, files := range packages {
		if files > maxPackageFiles {
			t.Errorf("%s: %d files, want at most %d: make it two packages", name, files, maxPackageFiles)
		}
	}
}

// checkSizes measures one file.
func checkSizes(t *testing.T, name, path string) error {
	files := token.NewFileSet()
	f, err := parser.ParseFile(files, path, nil, parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	line := func(p token.Pos) int { return files.Position(p).Line }
	if n := files.File(f.Pos()).LineCount(); n > maxFileLines {
		t.Errorf("%s: %d lines, want at most %d", name, n, maxFileLines)
	}
	for _, d := range f.Decls {
		fn, ok := d.(*ast.FuncDecl)
		if !ok {
			continue
		}
		if n := line(fn.End()) - line(fn.Pos()) + 1; n > maxFuncLines {
			t.Errorf("%s:%d: %s has %d lines, want at most %d", name, line(fn.Pos()), fn.Name.Name, n, maxFuncLines)
		}
		if n := fn.Type.Params.NumFields(); n > maxParams {
			t.Errorf("%s:%d: %s has %d parameters, want at most %d", name, line(fn.Pos()), fn.Name.Name, n, maxParams)
		}
	}
	return nil
}
