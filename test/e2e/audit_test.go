package e2e

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// auditEvent is the API server's log entry for one stage of a request.
type auditEvent struct {
	Stage      string
	RequestURI string
	Verb       string
	UserAgent  string
	User       struct {
		Username string
		Groups   []string
	}
	ImpersonatedUser *struct {
		Username string
		Groups   []string
		Extra    map[string][]string
	}
	ResponseStatus struct{ Code int }
	StageTimestamp time.Time
}

// acted reports whether a request was made as a user.
func (e auditEvent) acted(as string) bool {
	return e.ImpersonatedUser != nil && e.ImpersonatedUser.Username == as
}

// authorized reports whether the event is of a stage that has the user as whom the request
// is made: the first stage has not.
func (e auditEvent) authorized() bool { return e.Stage != "RequestReceived" }

// Stages of a request.
const (
	responseStarted  = "ResponseStarted" // of a long-running one
	responseComplete = "ResponseComplete"
)

// auditNow returns the current end of the audit log, in bytes. Later events are
// written after it.
func (sp *space) auditNow() int64 {
	sp.t.Helper()
	info, err := os.Stat(sp.kube.AuditLog)
	if err != nil {
		sp.t.Fatalf("audit log: %v", err)
	}
	return info.Size()
}

// audit returns the events after a place in the log whose lines contain text and
// that match. The text is looked for first: the log is large, and most of it
// belongs to other tests.
func (s *suite) audit(from int64, text string, match func(auditEvent) bool) ([]auditEvent, error) {
	f, err := os.Open(s.kube.AuditLog)
	if err != nil {
		return nil, fmt.Errorf("audit log: %w", err)
	}
	defer f.Close()
	if _, err := f.Seek(from, io.SeekStart); err != nil {
		return nil, fmt.Errorf("audit log: %w", err)
	}
	var events []auditEvent
	scanner := bufio.NewScanner(f)
	scanner.Buffer(nil, 1<<20)
	for scanner.Scan() {
		if !bytes.Contains(scanner.Bytes(), []byte(text)) {
			continue
		}
		var e auditEvent
		if err := json.Unmarshal(scanner.Bytes(), &e); err != nil {
			break // the last line may still be written
		}
		if match(e) {
			events = append(events, e)
		}
	}
	return events, scanner.Err()
}

// mustAudit is audit for events of which there must be one.
func (sp *space) mustAudit(from int64, text string, match func(auditEvent) bool) []auditEvent {
	sp.t.Helper()
	events, err := sp.audit(from, text, match)
	if err != nil {
		sp.t.Fatal(err)
	}
	if len(events) == 0 {
		sp.t.Errorf("the audit log has no event with %q: the test proves nothing", text)
	}
	return events
}

// awaitAudit waits until audit finds an event, and returns the first.
func (sp *space) awaitAudit(what string, from int64, text string, match func(auditEvent) bool) auditEvent {
	sp.t.Helper()
	var events []auditEvent
	sp.until(what, func(context.Context) (err error) {
		if events, err = sp.audit(from, text, match); err == nil && len(events) == 0 {
			err = errors.New("not in the audit log yet")
		}
		return err
	})
	return events[0]
}
