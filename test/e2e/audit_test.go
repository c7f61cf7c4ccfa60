package e2e

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"
)

// auditEvent is what the API server logs of a request at one stage.
type auditEvent struct {
	Stage      string
	RequestURI string
	Verb       string
	UserAgent  string
	User       struct {
		Username string
		Groups   []string
	}
	ImpersonatedUser *struct{ Username string }
	ResponseStatus   struct{ Code int }
	StageTimestamp   time.Time
}

// Stages of a request.
const (
	responseStarted  = "ResponseStarted" // of a long-running one
	responseComplete = "ResponseComplete"
)

// audit returns the events so far that match.
func (s *suite) audit(match func(auditEvent) bool) ([]auditEvent, error) {
	data, err := os.ReadFile(s.kube.AuditLog)
	if err != nil {
		return nil, fmt.Errorf("audit log: %w", err)
	}
	var events []auditEvent
	scanner := bufio.NewScanner(bytes.NewReader(data))
	scanner.Buffer(nil, 1<<20)
	for scanner.Scan() {
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

// awaitAudit waits for an event that matches and returns the first.
func (sp *space) awaitAudit(what string, match func(auditEvent) bool) auditEvent {
	sp.t.Helper()
	var events []auditEvent
	sp.until(what, func(context.Context) (err error) {
		if events, err = sp.audit(match); err == nil && len(events) == 0 {
			err = errors.New("not in the audit log yet")
		}
		return err
	})
	return events[0]
}
