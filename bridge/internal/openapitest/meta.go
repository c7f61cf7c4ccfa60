package openapitest

import (
	"fmt"
	"strings"
	"sync"

	"github.com/pb33f/libopenapi/datamodel"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// meta is the OpenAPI initiative's schema of an OpenAPI 3.1 document. It leaves schemas
// themselves to JSON Schema, by whose own meta-schema each is checked when it is compiled.
var meta = sync.OnceValues(func() (*jsonschema.Schema, error) {
	v, err := jsonschema.UnmarshalJSON(strings.NewReader(datamodel.OpenAPI31SchemaData))
	if err != nil {
		return nil, err
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	const name = "https://openapitest.invalid/meta.json"
	if err := c.AddResource(name, v); err != nil {
		return nil, err
	}
	return c.Compile(name)
})

// checkMeta holds a document against the meta-schema.
func checkMeta(root map[string]any) error {
	schema, err := meta()
	if err != nil {
		return fmt.Errorf("the meta-schema: %w", err)
	}
	if version, _ := root["openapi"].(string); !strings.HasPrefix(version, "3.1.") {
		return fmt.Errorf("the document is of OpenAPI %q, not 3.1", version)
	}
	return schema.Validate(root)
}
