package audittest

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Event is an audit event as its readers see it.
type Event struct {
	ID, Source, Type, Subject string
	Time                      time.Time
	Data                      Data
}

// Data is that of an event.
type Data struct {
	AuditID, RequestID, Stage, Verb, Path string
	ObjectRef                             *struct{ Resource, Namespace, Name, APIGroup, APIVersion, Subresource string }
	Session                               *struct {
		Container string
		Command   []string
		Ports     []int
	}
	User, ImpersonatedUser *User
	Authentication         struct{ Method, Issuer string }
	Grant                  string
	SourceIPs              []string
	UserAgent              string
	Tenant, Cluster        string
	Instance               string
	ResponseStatus         struct {
		Code            int
		Reason, Message string
	}
	Failure                  Failure
	Revoked, Aborted         string
	RequestReceivedTimestamp time.Time
	StageTimestamp           time.Time
	DurationSeconds          float64
	ReceivedBytes, SentBytes int64
	Annotations              map[string]string
	Truncated                bool
}

// Failure is an answer of the bridge itself.
type Failure struct{ Code, Lock string }

// User is a user of Kubernetes.
type User struct {
	Username, UID string
	Groups        []string
	Extra         map[string][]string
}

// schema is compiled once: docs/audit-event.schema.json of this module.
var schema = sync.OnceValues(func() (*jsonschema.Schema, error) {
	dir, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			break
		}
		up := filepath.Dir(dir)
		if up == dir {
			return nil, os.ErrNotExist
		}
		dir = up
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	return c.Compile(filepath.Join(dir, "docs", "audit-event.schema.json"))
})

// Events decodes lines, and checks each against the schema.
func Events(t testing.TB, lines string) []Event {
	t.Helper()
	s, err := schema()
	if err != nil {
		t.Fatal(err)
	}
	var events []Event
	for line := range strings.Lines(lines) {
		v, err := jsonschema.UnmarshalJSON(strings.NewReader(line))
		if err != nil {
			t.Fatalf("%v: %.1000s", err, line)
		}
		if err := s.Validate(v); err != nil {
			t.Errorf("%.1000v: %.1000s", err, line)
		}
		var e Event
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		events = append(events, e)
	}
	return events
}
