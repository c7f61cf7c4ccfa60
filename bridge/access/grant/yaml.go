package grant

import (
	"go.yaml.in/yaml/v3"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/bridge/access/expr"
	"github.com/fairlead-io/fairlead/deploy/strictyaml"
)

// Pattern names clusters, as [access.ParsePattern] reads it.
type Pattern string

// UnmarshalYAML implements [yaml.Unmarshaler].
func (p *Pattern) UnmarshalYAML(n *yaml.Node) error {
	text, err := scalar(n)
	if err != nil {
		return err
	}
	if _, err := access.ParsePattern(text); err != nil {
		return strictyaml.Errorf(n, "%w", err)
	}
	*p = Pattern(text)
	return nil
}

// Condition is a CEL expression that is true or false, about the caller, the cluster
// and the request.
type Condition string

func (c Condition) compile() (*expr.Program, error) {
	return conditions.Compile(string(c), expr.Condition)
}

// UnmarshalYAML implements [yaml.Unmarshaler].
func (c *Condition) UnmarshalYAML(n *yaml.Node) error {
	return expression(n, (*string)(c), func() (*expr.Program, error) { return c.compile() })
}

// Parts returns the parts of the condition, all of which must be true, and the
// comparisons that stand anywhere in it.
func (c Condition) Parts() ([]expr.Part, []expr.Comparison, error) {
	return conditions.Parts(string(c))
}

// Text is a CEL expression for a string, about the caller.
type Text string

func (t Text) compile() (*expr.Program, error) { return identities.Compile(string(t), expr.Text) }

// UnmarshalYAML implements [yaml.Unmarshaler].
func (t *Text) UnmarshalYAML(n *yaml.Node) error {
	return expression(n, (*string)(t), func() (*expr.Program, error) { return t.compile() })
}

// Makes returns what is known of the text before there is a caller.
func (t Text) Makes() ([]expr.Made, error) { return identities.Makes(string(t)) }

// Texts is a CEL expression for a list of strings, or for one string, about the
// caller.
type Texts string

func (t Texts) compile() (*expr.Program, error) { return identities.Compile(string(t), expr.Texts) }

// UnmarshalYAML implements [yaml.Unmarshaler].
func (t *Texts) UnmarshalYAML(n *yaml.Node) error {
	return expression(n, (*string)(t), func() (*expr.Program, error) { return t.compile() })
}

// Makes returns what is known of the texts before there is a caller.
func (t Texts) Makes() ([]expr.Made, error) { return identities.Makes(string(t)) }

// expression decodes the text of an expression and checks it.
func expression(n *yaml.Node, text *string, compile func() (*expr.Program, error)) (err error) {
	if *text, err = scalar(n); err != nil {
		return strictyaml.Errorf(n, `want a CEL expression as one string in quotes, such as 'caller.name == "a"' or '["a", "b"]'`)
	}
	if _, err := compile(); err != nil {
		return strictyaml.Errorf(n, "%w", err)
	}
	return nil
}

func scalar(n *yaml.Node) (string, error) {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n.Kind != yaml.ScalarNode || n.ShortTag() == "!!null" {
		return "", strictyaml.Errorf(n, "want a string")
	}
	return n.Value, nil
}
