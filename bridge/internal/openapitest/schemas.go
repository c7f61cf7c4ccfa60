package openapitest

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// schemas compiles schemas of a document by their JSON pointers.
type schemas struct {
	mu       sync.Mutex
	name     string
	compiler *jsonschema.Compiler
	compiled map[string]*jsonschema.Schema
}

func newSchemas(name string, root map[string]any) (*schemas, error) {
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.AssertFormat()
	name = "https://openapitest.invalid/" + name
	if err := c.AddResource(name, root); err != nil {
		return nil, err
	}
	return &schemas{name: name, compiler: c, compiled: map[string]*jsonschema.Schema{}}, nil
}

// at compiles the schema at a JSON pointer.
func (s *schemas) at(pointer string) (*jsonschema.Schema, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if done := s.compiled[pointer]; done != nil {
		return done, nil
	}
	fragment := url.URL{Fragment: pointer}
	compiled, err := s.compiler.Compile(s.name + fragment.String())
	if err != nil {
		return nil, fmt.Errorf("schema %s: %w", pointer, err)
	}
	s.compiled[pointer] = compiled
	return compiled, nil
}

// validate checks a decoded value.
func (s *schemas) validate(pointer string, v any) error {
	schema, err := s.at(pointer)
	if err != nil {
		return err
	}
	return schema.Validate(v)
}

// compileAll compiles every schema of every operation and of the components.
func (d *Document) compileAll() error {
	var faults []error
	both := func(pointer string) {
		for _, s := range []*schemas{d.requests, d.responses} {
			if _, err := s.at(pointer); err != nil {
				faults = append(faults, err)
				return
			}
		}
	}
	content := func(b *body) {
		for _, pointer := range b.schemas {
			if pointer != "" {
				both(pointer)
			}
		}
	}
	for name := range object(object(d.root["components"])["schemas"]) {
		both("/components/schemas/" + escape(name))
	}
	for _, op := range d.operations {
		for _, p := range op.parameters {
			both(p.schema)
		}
		if op.body != nil {
			content(op.body)
		}
		for _, r := range op.responses {
			content(&r.body)
			for _, h := range r.headers {
				both(h.schema)
			}
		}
	}
	return errors.Join(faults...)
}

// closeObjects forbids properties that a schema does not name, in every schema that names
// some and says nothing about others. The parts of an allOf are closed as a whole.
func closeObjects(v any) {
	switch v := v.(type) {
	case map[string]any:
		_, named := v["properties"].(map[string]any)
		_, composed := v["allOf"]
		if (named || composed) && v["additionalProperties"] == nil && v["unevaluatedProperties"] == nil {
			v["unevaluatedProperties"] = false
		}
		for key, child := range v {
			if key == "example" || key == "examples" || key == "default" || key == "const" || key == "enum" {
				continue
			}
			closeObjects(child)
		}
		for _, part := range slices.Concat(list(v["allOf"]), list(v["if"]), list(v["then"]), list(v["else"])) {
			if m := object(part); m["unevaluatedProperties"] == false {
				delete(m, "unevaluatedProperties")
			}
		}
	case []any:
		for _, child := range v {
			closeObjects(child)
		}
	}
}

func list(v any) []any {
	switch v := v.(type) {
	case nil:
		return nil
	case []any:
		return v
	default:
		return []any{v}
	}
}
