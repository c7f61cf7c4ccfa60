package token

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"go.yaml.in/yaml/v3"
)

// newFileMode is for a tokens file that did not exist. Hashes are not secret, but
// the list of callers is not for everyone.
const newFileMode = 0o600

// Add writes an entry to the tokens file at path, atomically: a reader sees the file
// either without or with the entry. Comments, mode and owner stay. A file that does
// not exist is made; one that a bridge would refuse, or that already has the name,
// is not changed. name must be a DNS label.
//
// The new content is written beside the file first, under the name of a lock:
// of two calls at the same time one fails.
func Add(path, name, hash string, clusters []string, options ...Option) (err error) {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real // the link shall stay one
	}
	next, err := os.OpenFile(path+".new", os.O_WRONLY|os.O_CREATE|os.O_EXCL, newFileMode)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s.new exists: another change is being made, or was broken off and the file can be removed", path)
	}
	if err != nil {
		return err // it names the file
	}
	defer func() {
		_ = next.Close() // closed before, where all went well
		if err != nil {
			_ = os.Remove(next.Name())
		}
	}()
	old, info, err := readOld(path)
	if err != nil {
		return err
	}
	e, err := newEntry(name, hash, clusters, options)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	content, err := withEntry(old, e)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if _, err := next.Write(content); err != nil {
		return err
	}
	if info != nil {
		if err := next.Chmod(info.Mode().Perm()); err != nil {
			return err
		}
		if err := keepOwner(next, info); err != nil {
			return fmt.Errorf("keep the owner: %w", err)
		}
	}
	if err := errors.Join(next.Sync(), next.Close()); err != nil {
		return err
	}
	return os.Rename(next.Name(), path)
}

// readOld returns nothing for a file that does not exist.
func readOld(path string) ([]byte, fs.FileInfo, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, nil, fmt.Errorf("%s: not a regular file", path)
	}
	b, err := os.ReadFile(path)
	return b, info, err
}

// withEntry returns a tokens file with one entry more.
func withEntry(old []byte, e *tokenEntry) ([]byte, error) {
	if _, err := parseTokens(old); err != nil {
		return nil, err
	}
	var doc, entry yaml.Node
	if err := yaml.Unmarshal(old, &doc); err != nil {
		return nil, err
	}
	if err := entry.Encode(e); err != nil {
		return nil, fmt.Errorf("encode entry: %w", err)
	}
	var b bytes.Buffer
	if len(doc.Content) == 0 && len(old) > 0 { // comments at most, which belong to no node
		b.Write(append(bytes.TrimRight(old, "\n"), '\n'))
	}
	list := tokensList(&doc)
	list.Style &^= yaml.FlowStyle // of "tokens: []"
	list.Content = append(list.Content, &entry)
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	enc.CompactSeqIndent()
	if err := errors.Join(enc.Encode(&doc), enc.Close()); err != nil {
		return nil, fmt.Errorf("encode: %w", err)
	}
	// What a bridge would refuse is never written: a name that is taken ends here.
	if _, err := parseTokens(b.Bytes()); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// tokensList returns the list under the key tokens of a file that was parsed,
// made where it is missing.
func tokensList(doc *yaml.Node) *yaml.Node {
	if len(doc.Content) == 0 {
		doc.Kind, doc.Content = yaml.DocumentNode, []*yaml.Node{{}}
	}
	root := doc.Content[0]
	if root.Kind != yaml.MappingNode { // nothing, or null
		root.Kind, root.Tag, root.Value = yaml.MappingNode, "!!map", ""
	}
	if len(root.Content) == 0 {
		root.Style = 0
		root.Content = []*yaml.Node{{Kind: yaml.ScalarNode, Value: "tokens"}, {}}
	}
	list := root.Content[1] // tokens is the only key there is
	if list.Kind != yaml.SequenceNode {
		list.Kind, list.Tag, list.Value = yaml.SequenceNode, "!!seq", ""
	}
	return list
}
