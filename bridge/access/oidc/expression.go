package oidc

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"github.com/google/cel-go/cel"
	"go.yaml.in/yaml/v3"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/bridge/access/expr"
	"github.com/fairlead-io/fairlead/deploy/strictyaml"
)

// Bounds of what claims are made into. maxName bounds a name, group or uid in bytes,
// and maxGroups their number: a request to a cluster has room for so many names of a
// usual length (subjects.MaxExtensionBytes), and no directory puts more into a token.
const (
	maxName   = 1 << 10
	maxGroups = 500
)

// StringExpression is a CEL expression over claims, the claims of a token, whose value
// is a string. "" is none.
type StringExpression string

// ListExpression is a CEL expression over claims, the claims of a token, whose value
// is a list of strings or a string. "" is none.
type ListExpression string

// UnmarshalYAML implements [yaml.Unmarshaler]. It checks the expression.
func (e *StringExpression) UnmarshalYAML(n *yaml.Node) error {
	return decodeExpression(n, (*string)(e), expr.Text)
}

// UnmarshalYAML implements [yaml.Unmarshaler]. It checks the expression.
func (e *ListExpression) UnmarshalYAML(n *yaml.Node) error {
	return decodeExpression(n, (*string)(e), expr.Texts)
}

// Makes returns what is known of the text before there are claims.
func (e StringExpression) Makes() ([]expr.Made, error) { return environment().Makes(string(e)) }

// Makes returns what is known of the texts before there are claims.
func (e ListExpression) Makes() ([]expr.Made, error) { return environment().Makes(string(e)) }

func decodeExpression(n *yaml.Node, to *string, result expr.Result) error {
	if err := n.Decode(to); err != nil {
		return strictyaml.Errorf(n, "want a CEL expression")
	}
	if _, err := environment().Compile(*to, result); err != nil {
		return strictyaml.Errorf(n, "%w", err)
	}
	return nil
}

var environment = sync.OnceValue(func() *expr.Env { return expr.NewEnv(expr.Variables{"claims": expr.ClaimsType}) })

// Caller returns the caller that a token of the issuer with these claims stands for. The
// claims are as encoding/json decodes them.
func (i *Issuer) Caller(ctx context.Context, claims map[string]any) (*access.Caller, error) {
	id, err := newIdentity(i)
	if err != nil {
		return nil, err
	}
	c := &access.Caller{Method: access.MethodOIDC, Issuer: i.Name, Claims: claims}
	return c, id.set(ctx, c)
}

// identity derives what a caller is called from the claims of a token.
type identity struct {
	username *expr.Program // nil: the issuer's name and sub
	groups   *expr.Program // nil: none
	uid      *expr.Program // nil: none
	countBy  *expr.Program // nil: the name
}

func newIdentity(config *Issuer) (id identity, err error) {
	compile := func(key, text string, result expr.Result) (p *expr.Program) {
		if text == "" || err != nil {
			return nil
		}
		if p, err = environment().Compile(text, result); err != nil {
			err = fmt.Errorf("%s: %w", key, err)
		}
		return p
	}
	id.username = compile("username", string(config.Username), expr.Text)
	id.groups = compile("groups", string(config.Groups), expr.Texts)
	id.uid = compile("uid", string(config.UID), expr.Text)
	id.countBy = compile("countBy", string(config.CountBy), expr.Text)
	return id, err
}

// set fills in what a caller with claims is called and counted by. The error wraps
// [ErrClaims].
func (id *identity) set(ctx context.Context, c *access.Caller) error {
	vars, err := cel.NewActivation(map[string]any{"claims": c.Claims})
	if err != nil {
		return err
	}
	fault := func(what string, err error) error {
		return fmt.Errorf("%w: the %s that issuer %q is configured with cannot be made from them: %s",
			ErrClaims, what, c.Issuer, answerable(err))
	}
	if c.Name, err = id.name(ctx, c, vars); err != nil {
		return fault("username", err)
	}
	if id.groups != nil {
		if c.Groups, err = id.groups.Strings(ctx, vars); err == nil {
			err = usableAll(c.Groups)
		}
		if err != nil {
			return fault("groups", err)
		}
	}
	if c.UID, err = text(ctx, id.uid, vars); err != nil {
		return fault("uid", err)
	}
	if c.CountBy, err = text(ctx, id.countBy, vars); err != nil {
		return fault("countBy", err)
	}
	return nil
}

// text is the value of an expression, which must be usable; "" for none.
func text(ctx context.Context, p *expr.Program, vars cel.Activation) (string, error) {
	if p == nil {
		return "", nil
	}
	s, err := p.String(ctx, vars)
	if err != nil {
		return "", err
	}
	return s, usable(s)
}

func (id *identity) name(ctx context.Context, c *access.Caller, vars cel.Activation) (string, error) {
	if id.username != nil {
		return text(ctx, id.username, vars)
	}
	sub, ok := c.Claims["sub"].(string)
	if !ok || sub == "" {
		return "", errors.New("no such key: sub")
	}
	name := c.Issuer + ":" + sub
	return name, usable(name)
}

// usable reports whether s can be a name in Kubernetes, in a log line and in a header.
func usable(s string) error {
	switch {
	case s == "":
		return errors.New("it is empty")
	case len(s) > maxName:
		return fmt.Errorf("it has %d bytes, at most %d are allowed", len(s), maxName)
	case !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl):
		return errors.New("it has control characters")
	}
	return nil
}

func usableAll(all []string) error {
	if len(all) > maxGroups {
		return fmt.Errorf("there are %d, at most %d are allowed", len(all), maxGroups)
	}
	for n, s := range all {
		if err := usable(s); err != nil {
			return fmt.Errorf("item %d of the list: %w", n, err)
		}
	}
	return nil
}
