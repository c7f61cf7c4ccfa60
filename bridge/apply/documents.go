package apply

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"go.yaml.in/yaml/v3"
	k8syaml "k8s.io/apimachinery/pkg/util/yaml"
	sigsyaml "sigs.k8s.io/yaml"

	"github.com/fairlead-io/fairlead/bridge/call"
)

// Bounds of what a body may be.
const (
	maxBody      = 8 << 20 // bytes
	maxDocument  = 3 << 20 // bytes: what API servers take
	maxDocuments = 2000    // objects, those of lists among them
	maxDepth     = 128     // of values within values
	// maxSeparators bounds documents with those that are empty: templates leave many.
	maxSeparators = 10 * maxDocuments
	// maxExpanded bounds a document after its aliases, in bytes and 16 for each value: far
	// more than anchors are used for, and little enough to be in memory.
	maxExpanded = 4 * maxDocument
)

// documents are those of a body, each as JSON. Empty ones are left out. YAML is read as
// kubectl reads it.
func documents(body []byte) ([]json.RawMessage, error) {
	var all []json.RawMessage
	// Not k8syaml.NewYAMLReader, whose lines are unbounded copies.
	split := bufio.NewScanner(bytes.NewReader(body))
	split.Buffer(nil, maxDocument)
	split.Split(nextDocument)
	for n := 1; split.Scan(); n++ {
		if n > maxSeparators {
			return nil, fmt.Errorf("more than %d documents, empty ones among them", maxSeparators)
		}
		docs, err := document(split.Bytes())
		if err != nil {
			return nil, fmt.Errorf("document %d: %w", n, err)
		}
		if all = append(all, docs...); len(all) > maxDocuments {
			return nil, errTooMany
		}
	}
	if err := split.Err(); errors.Is(err, bufio.ErrTooLong) {
		return nil, fmt.Errorf("a document is larger than %d bytes, which no API server takes", maxDocument)
	} else if err != nil {
		return nil, err
	}
	return all, nil
}

var errTooMany = fmt.Errorf("more than %d objects", maxDocuments)

// nextDocument splits at lines that begin with three dashes, as a [bufio.SplitFunc].
func nextDocument(data []byte, end bool) (advance int, token []byte, err error) {
	for at := 0; at < len(data); {
		length := bytes.IndexByte(data[at:], '\n')
		if length < 0 && !end {
			return 0, nil, nil // the line is not whole
		}
		line, next := data[at:], len(data)
		if length >= 0 {
			line, next = data[at:at+length], at+length+1
		}
		if separates(line) {
			return next, data[:at], nil
		}
		at = next
	}
	if end && len(data) > 0 {
		return len(data), data, nil
	}
	return 0, nil, nil
}

// separates reports whether a line is nothing but the end of a document. One that has the
// beginning of the next as well is found when the document is read.
func separates(line []byte) bool {
	rest, ok := bytes.CutPrefix(line, []byte("---"))
	rest = bytes.TrimSpace(rest)
	return ok && (len(rest) == 0 || rest[0] == '#')
}

// document reads one document of YAML, or any number of values of JSON.
func document(b []byte) ([]json.RawMessage, error) {
	b = bytes.TrimPrefix(b, []byte("\xef\xbb\xbf"))
	if k8syaml.IsJSONBuffer(b) {
		all, err := values(b)
		if err == nil || err == errTooMany || err == errTooDeep {
			return all, err
		} // else it may be a YAML that begins like JSON
	}
	empty, err := checkYAML(b)
	if empty || err != nil {
		return nil, err
	}
	one, err := sigsyaml.YAMLToJSONStrict(b)
	if err != nil {
		return nil, errors.New(clean(err))
	}
	return []json.RawMessage{one}, nil
}

// values are those of JSON, one after the other.
func values(b []byte) (all []json.RawMessage, err error) {
	for d := json.NewDecoder(bytes.NewReader(b)); ; {
		var one json.RawMessage
		if err := d.Decode(&one); err == io.EOF {
			return all, nil
		} else if err != nil {
			return nil, err
		}
		if all = append(all, one); len(all) > maxDocuments {
			return nil, errTooMany
		}
		if call.Deeper(one, maxDepth) {
			return nil, errTooDeep
		}
	}
}

var errTooDeep = fmt.Errorf("nested more than %d deep", maxDepth)

// checkYAML reads b as one document whose aliases are not followed, and reports whether it
// is empty.
func checkYAML(b []byte) (empty bool, err error) {
	d := yaml.NewDecoder(bytes.NewReader(b))
	var root yaml.Node
	if err := d.Decode(&root); err == io.EOF {
		return true, nil
	} else if err != nil {
		return false, errors.New(clean(err))
	}
	var more yaml.Node
	if err := d.Decode(&more); err != io.EOF {
		return false, errors.New("a separator (---) has to be a line of its own")
	}
	x := expansion{left: maxExpanded}
	if err := x.add(&root, 0); err != nil {
		return false, err
	}
	return len(root.Content) == 1 && root.Content[0].ShortTag() == "!!null", nil
}

// expansion counts what a document is with its aliases.
type expansion struct{ left int }

func (x *expansion) add(n *yaml.Node, depth int) error {
	if depth > maxDepth+1 { // the document itself is a node
		return errTooDeep
	}
	if x.left -= 16 + len(n.Value); x.left < 0 {
		return fmt.Errorf("larger than %d bytes with its aliases", maxExpanded)
	}
	if n.Kind == yaml.AliasNode {
		return x.add(n.Alias, depth+1) // one of itself is too deep
	}
	for _, c := range n.Content {
		if err := x.add(c, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// maxError is how much of an error of a parser is shown, in bytes.
const maxError = 300

// clean is an error of a parser in one line.
func clean(err error) string {
	text := bytes.Join(bytes.Fields([]byte(err.Error())), []byte(" "))
	if len(text) > maxError {
		text = append(bytes.ToValidUTF8(text[:maxError], nil), "..."...)
	}
	return string(text)
}
