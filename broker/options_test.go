package broker

import "testing"

// TestOptionsBounds: bounds are stated here and do not follow from the defaults of
// nats-server.
func TestOptionsBounds(t *testing.T) {
	l := newLayout(t)
	cfg := Config{Dir: l.Dir(), Logger: testLog(t)}.withDefaults()
	o, err := cfg.options(newAdmission(Unlimited))
	if err != nil {
		t.Fatal(err)
	}
	o.AccountResolver.Close()
	if o.MaxPending != 64<<20 {
		t.Errorf("a client may have %d bytes pending, want 64 MiB", o.MaxPending)
	}
	// nats.go refuses a WebSocket frame over 8 times the payload that the server
	// announces, and the server sends all that is pending as one frame.
	if o.MaxPending > 8*int64(o.MaxPayload) {
		t.Errorf("%d bytes pending are more than a WebSocket client takes at a payload of %d", o.MaxPending, o.MaxPayload)
	}
}
