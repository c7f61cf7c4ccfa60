package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
)

const (
	secret = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz"
	body   = `{"type":"cluster.connected","timestamp":"2026-11-28T09:12:04Z","data":{"id":"a-1","type":"cluster.connected","name":"prod"}}`
)

// signed is the head of a request that was made at a time.
func signed(at time.Time, body string) http.Header {
	seconds := strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, []byte("012345678901234567890123"))
	mac.Write([]byte("a-1." + seconds + "." + body))
	return http.Header{
		"Webhook-Id": {"a-1"}, "Webhook-Timestamp": {seconds},
		"Webhook-Signature": {"v1,b3RoZXI= v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))},
	}
}

func TestParse(t *testing.T) {
	e, err := Parse(secret+"\n", signed(time.Now(), body), []byte(body))
	if err != nil || e.ID != "a-1" || e.Name != "prod" {
		t.Fatalf("%+v, %v", e, err)
	}
	other := signed(time.Now(), body)
	other.Set("Webhook-Id", "a-2")
	for name, c := range map[string]struct {
		header http.Header
		body   string
	}{
		"another body":       {signed(time.Now(), body), body + " "},
		"another id":         {other, body},
		"old":                {signed(time.Now().Add(-6*time.Minute), body), body},
		"from the future":    {signed(time.Now().Add(6*time.Minute), body), body},
		"no head":            {http.Header{}, body},
		"nothing in it":      {signed(time.Now(), "{}"), "{}"},
		"not JSON":           {signed(time.Now(), "x"), "x"},
		"a null":             {signed(time.Now(), "null"), "null"},
		"nonsense in a time": {http.Header{"Webhook-Timestamp": {strings.Repeat("9", 30)}}, body},
	} {
		if e, err := Parse(secret, c.header, []byte(c.body)); !errors.Is(err, ErrNotSent) || e != nil {
			t.Errorf("%s: %+v, %v", name, e, err)
		}
	}
	if _, err := Parse("whsec_", signed(time.Now(), body), []byte(body)); err == nil || errors.Is(err, ErrNotSent) {
		t.Errorf("no secret: %v", err)
	}
}
