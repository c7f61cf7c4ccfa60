package openapitest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"sort"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"
)

// Document is an OpenAPI description. Many goroutines may use it at once.
type Document struct {
	root       map[string]any
	operations []*operation

	mu   sync.Mutex
	seen map[string]bool // of [operation.pair]
	// requests and responses compile the schemas of the two directions.
	requests, responses *schemas
}

// operation is one method of one path.
type operation struct {
	method, path string
	parameters   []parameter
	body         *body
	responses    map[string]*response // by status or "default"
}

type parameter struct {
	name, in string
	required bool
	schema   string // a JSON pointer
	kind     string // type of the schema
}

// body is the content of a request or a response.
type body struct {
	required bool
	schemas  map[string]string // content type to JSON pointer, "" without a schema
}

type response struct {
	body
	headers []parameter
}

func (op *operation) pair(status string) string { return op.method + " " + op.path + " " + status }

// Load reads a description in YAML. It fails if it is not a valid OpenAPI 3.1 document, or
// has a schema that is not valid.
func Load(text []byte) (*Document, error) {
	root, err := fromYAML(text)
	if err != nil {
		return nil, err
	}
	if err := checkMeta(root); err != nil {
		return nil, err
	}
	closed, err := fromYAML(text)
	if err != nil {
		return nil, err
	}
	d := &Document{root: root, seen: map[string]bool{}}
	if d.requests, err = newSchemas("request.json", root); err != nil {
		return nil, err
	}
	closeObjects(closed)
	if d.responses, err = newSchemas("response.json", closed); err != nil {
		return nil, err
	}
	if err := d.readPaths(); err != nil {
		return nil, err
	}
	return d, d.compileAll()
}

func fromYAML(text []byte) (map[string]any, error) {
	var v any
	if err := yaml.Unmarshal(text, &v); err != nil {
		return nil, err
	}
	asJSON, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("not JSON's types: %w", err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(asJSON))
	if err != nil {
		return nil, err
	}
	root, ok := doc.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("want an object, not %T", doc)
	}
	return root, nil
}

func (d *Document) readPaths() error {
	for path, item := range object(d.root["paths"]) {
		item, at := d.resolve(item, "/paths/"+escape(path))
		shared, err := d.readParameters(item["parameters"], at+"/parameters")
		if err != nil {
			return err
		}
		for method := range item {
			switch method {
			case "get", "put", "post", "delete", "patch", "head", "options", "trace":
			default:
				continue
			}
			op, err := d.readOperation(path, method, object(item[method]), at+"/"+method)
			if err != nil {
				return fmt.Errorf("%s %s: %w", method, path, err)
			}
			op.parameters = append(op.parameters, shared...)
			d.operations = append(d.operations, op)
		}
	}
	// Literal segments come before parameters, and the order is always the same.
	sort.Slice(d.operations, func(i, j int) bool {
		a, b := d.operations[i], d.operations[j]
		if n, m := strings.Count(a.path, "{"), strings.Count(b.path, "{"); n != m {
			return n < m
		}
		return a.path+a.method < b.path+b.method
	})
	return nil
}

func (d *Document) readOperation(path, method string, v map[string]any, at string) (*operation, error) {
	op := &operation{method: strings.ToUpper(method), path: path, responses: map[string]*response{}}
	var err error
	if op.parameters, err = d.readParameters(v["parameters"], at+"/parameters"); err != nil {
		return nil, err
	}
	if v["requestBody"] != nil {
		b, bodyAt := d.resolve(v["requestBody"], at+"/requestBody")
		read := d.readContent(b, bodyAt)
		read.required = b["required"] == true
		op.body = &read
	}
	for status, r := range object(v["responses"]) {
		r, at := d.resolve(r, at+"/responses/"+status)
		res := &response{body: d.readContent(r, at)}
		for name, h := range object(r["headers"]) {
			h, headerAt := d.resolve(h, at+"/headers/"+escape(name))
			res.headers = append(res.headers, d.readParameter(name, "header", h, headerAt))
		}
		op.responses[status] = res
	}
	if len(op.responses) == 0 {
		return nil, fmt.Errorf("no responses")
	}
	return op, nil
}

func (d *Document) readParameters(list any, at string) (all []parameter, err error) {
	items, _ := list.([]any)
	for i, item := range items {
		p, itemAt := d.resolve(item, fmt.Sprintf("%s/%d", at, i))
		name, _ := p["name"].(string)
		in, _ := p["in"].(string)
		if name == "" || in == "" || p["schema"] == nil {
			return nil, fmt.Errorf("%s: want a name, in and a schema", itemAt)
		}
		all = append(all, d.readParameter(name, in, p, itemAt))
	}
	return all, nil
}

func (d *Document) readParameter(name, in string, v map[string]any, at string) parameter {
	schema, _ := d.resolve(v["schema"], at+"/schema")
	kind, _ := schema["type"].(string)
	return parameter{name: name, in: in, required: v["required"] == true, schema: at + "/schema", kind: kind}
}

func (d *Document) readContent(v map[string]any, at string) body {
	b := body{schemas: map[string]string{}}
	for mediaType, m := range object(v["content"]) {
		pointer := ""
		if object(m)["schema"] != nil {
			pointer = at + "/content/" + escape(mediaType) + "/schema"
		}
		b.schemas[mediaType] = pointer
	}
	return b
}

// resolve follows references inside the document; at is the pointer to what it returns.
func (d *Document) resolve(v any, at string) (map[string]any, string) {
	m := object(v)
	for range 16 { // deeper ones are a loop
		ref, ok := m["$ref"].(string)
		if !ok || !strings.HasPrefix(ref, "#/") {
			break
		}
		at = strings.TrimPrefix(ref, "#")
		m = d.root
		for segment := range strings.SplitSeq(at[1:], "/") {
			m = object(m[unescape(segment)])
		}
	}
	return m, at
}

func object(v any) map[string]any {
	m, _ := v.(map[string]any)
	return m
}

var (
	escaper   = strings.NewReplacer("~", "~0", "/", "~1")
	unescaper = strings.NewReplacer("~1", "/", "~0", "~")
)

func escape(segment string) string   { return escaper.Replace(segment) }
func unescape(segment string) string { return unescaper.Replace(segment) }
