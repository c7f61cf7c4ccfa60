package watch

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/api"
)

const (
	// pageSize is how many objects the API server is asked for at once: it holds a page in
	// memory.
	pageSize = "500"
	// maxPages bounds a list: five million objects are more than an API server has.
	maxPages = 10000
)

// page is what a page of a list says of itself.
type page struct {
	kind, apiVersion string
	metadata         struct{ ResourceVersion, Continue string }
	items            bool
}

// list tells what there is, each object as an event ADDED, and notes the version from
// which it can be watched.
func (m *member) list(ctx context.Context, visit access.Visit) *answer.Failure {
	version, next := "", ""
	for range maxPages {
		target := m.query.path + "limit=" + pageSize
		if next != "" {
			target += "&continue=" + url.QueryEscape(next)
		}
		p, f := m.page(ctx, visit, target)
		if f != nil {
			return f
		}
		if version == "" { // the others are of the same
			version = p.metadata.ResourceVersion
		}
		if !validVersion(version) {
			return answer.Failf(answer.APIServerAnswer, "the list has no resource version from which it can be watched")
		}
		if next = p.metadata.Continue; next == "" {
			m.version = version
			return nil
		}
	}
	return answer.Failf(answer.ResponseTooLarge, "the list has more than %d pages", maxPages)
}

// page tells the objects of one page.
func (m *member) page(ctx context.Context, visit access.Visit, target string) (*page, *answer.Failure) {
	in, f := m.session.Stream(ctx, visit, get(target))
	if f != nil {
		return nil, f
	}
	defer in.Close()
	if in.Status != http.StatusOK {
		return nil, m.refused(in)
	}
	meter := &meter{ctx: ctx, from: in, pool: m.pool}
	defer meter.give()
	p := &page{}
	if err := m.readPage(p, newValues(meter)); err != nil {
		return nil, unreadable(err).Of(in.ID)
	}
	if !p.items {
		return nil, answer.Failf(answer.APIServerRejected, "the answer is not a list, so that it cannot be watched").Of(in.ID)
	}
	return p, nil
}

// readPage reads a list, one object at a time.
func (m *member) readPage(p *page, v *values) error {
	if err := expect(v, '{'); err != nil {
		return err
	}
	for v.More() {
		key, err := v.Token()
		if err != nil {
			return err
		}
		switch key {
		case "kind":
			err = v.Decode(&p.kind)
		case "apiVersion":
			err = v.Decode(&p.apiVersion)
		case "metadata":
			err = v.Decode(&p.metadata)
		case "items":
			p.items = true
			err = m.readItems(p, v)
		default:
			var unused json.RawMessage
			err = v.Decode(&unused)
		}
		if err != nil {
			return err
		}
		v.used(false)
	}
	return expect(v, '}')
}

func (m *member) readItems(p *page, v *values) error {
	begin, err := v.Token()
	if err != nil || begin == nil { // null: there are none
		return err
	}
	if begin != json.Delim('[') {
		return errShape
	}
	for v.More() {
		var object json.RawMessage
		if err := v.Decode(&object); err != nil {
			return err
		}
		if object, err = p.typed(object); err != nil {
			return err
		}
		if f := m.write(&api.WatchLine{Event: &api.WatchEvent{Type: "ADDED", Object: object}}); f != nil {
			return f
		}
		m.told = true
		v.used(false)
	}
	return expect(v, ']')
}

// typed is an object with its kind, which objects of a list have only where their kind is
// defined by a CustomResourceDefinition.
func (p *page) typed(object json.RawMessage) (json.RawMessage, error) {
	var has struct{ Kind, APIVersion string }
	if err := json.Unmarshal(object, &has); err != nil || len(object) < 2 || object[0] != '{' {
		return nil, errShape
	}
	kind, isList := strings.CutSuffix(p.kind, "List")
	if has.Kind != "" || !isList || kind == "" {
		return object, nil
	}
	head, err := json.Marshal(map[string]string{"kind": kind, "apiVersion": p.apiVersion})
	if err != nil {
		return nil, err
	}
	rest := bytes.TrimLeft(object[1:], " \t\r\n")
	if rest[0] == '}' {
		return head, nil
	}
	whole := make([]byte, 0, len(head)+len(rest))
	whole = append(whole, head[:len(head)-1]...)
	return append(append(whole, ','), rest...), nil
}

// expect reads a delimiter.
func expect(v *values, d json.Delim) error {
	t, err := v.Token()
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	if err == nil && t != d {
		return errShape
	}
	return err
}
