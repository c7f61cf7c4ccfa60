package dial

import (
	"testing"
	"time"
)

func TestWaitOfARefusal(t *testing.T) {
	now := time.Date(2026, 11, 28, 16, 0, 0, 0, time.UTC)
	const none = time.Duration(-1)
	for name, test := range map[string]struct {
		refusal Refusal
		want    time.Duration
	}{
		"429 alone":                     {Refusal{Status: 429}, none},
		"503 alone":                     {Refusal{Status: 503}, none},
		"another status":                {Refusal{Status: 502, RetryAfter: "5"}, none},
		"seconds":                       {Refusal{Status: 429, RetryAfter: "17"}, 17 * time.Second},
		"seconds with spaces":           {Refusal{Status: 503, RetryAfter: " 17 "}, 17 * time.Second},
		"none":                          {Refusal{Status: 429, RetryAfter: "0"}, time.Second},
		"too many":                      {Refusal{Status: 429, RetryAfter: "86400"}, 15 * time.Minute},
		"more than fit":                 {Refusal{Status: 429, RetryAfter: "99999999999999999999"}, time.Minute},
		"negative":                      {Refusal{Status: 429, RetryAfter: "-5"}, time.Minute},
		"a fraction":                    {Refusal{Status: 429, RetryAfter: "1.5"}, time.Minute},
		"a word":                        {Refusal{Status: 429, RetryAfter: "soon"}, time.Minute},
		"a date":                        {Refusal{Status: 503, RetryAfter: "Sat, 28 Nov 2026 16:00:30 GMT"}, 30 * time.Second},
		"a date in the past":            {Refusal{Status: 503, RetryAfter: "Sat, 28 Nov 2026 15:00:30 GMT"}, time.Second},
		"a reset":                       {Refusal{Status: 429, RateLimitReset: "Sat, 28 Nov 2026 16:02:00 GMT"}, 2 * time.Minute},
		"a reset in UTC":                {Refusal{Status: 429, RateLimitReset: "Sat, 28 Nov 2026 16:02:00 UTC"}, 2 * time.Minute},
		"a reset in a numeric zone":     {Refusal{Status: 429, RateLimitReset: "Sat, 28 Nov 2026 17:02:00 +0100"}, 2 * time.Minute},
		"a reset in a named zone":       {Refusal{Status: 429, RateLimitReset: "Sat, 28 Nov 2026 17:02:00 CET"}, time.Minute},
		"a reset far away":              {Refusal{Status: 429, RateLimitReset: "Sat, 28 Nov 2126 16:02:00 GMT"}, 15 * time.Minute},
		"a reset that is a number":      {Refusal{Status: 429, RateLimitReset: "120"}, time.Minute},
		"the reset counts first":        {Refusal{Status: 429, RateLimitReset: "Sat, 28 Nov 2026 16:02:00 GMT", RetryAfter: "5"}, 2 * time.Minute},
		"the other if it is unreadable": {Refusal{Status: 429, RateLimitReset: "?", RetryAfter: "5"}, 5 * time.Second},
		"the server's clock is ahead":   {Refusal{Status: 429, RateLimitReset: "Sat, 28 Nov 2026 20:02:00 GMT", Date: "Sat, 28 Nov 2026 20:00:00 GMT"}, 2 * time.Minute},
		"the server's clock is behind":  {Refusal{Status: 429, RetryAfter: "Sat, 28 Nov 2026 12:00:20 GMT", Date: "Sat, 28 Nov 2026 12:00:00 GMT"}, 20 * time.Second},
		"the last year that is a date":  {Refusal{Status: 429, RetryAfter: "Fri, 31 Dec 9999 23:59:59 GMT", Date: "Mon, 01 Jan 0001 00:00:00 GMT"}, 15 * time.Minute},
		"the first one":                 {Refusal{Status: 429, RateLimitReset: "Mon, 01 Jan 0001 00:00:00 GMT", Date: "Fri, 31 Dec 9999 23:59:59 GMT"}, time.Second},
		"as many seconds as fit":        {Refusal{Status: 429, RetryAfter: "4294967295"}, 15 * time.Minute},
		"not a number":                  {Refusal{Status: 429, RetryAfter: "NaN", RateLimitReset: "NaN, 99 Nan 9999 99:99:99 NaN"}, time.Minute},
		"an unreadable clock":           {Refusal{Status: 429, RateLimitReset: "Sat, 28 Nov 2026 16:00:10 GMT", Date: "today"}, 10 * time.Second},
	} {
		got, ok := test.refusal.Wait(now)
		if !ok {
			got = none
		}
		if got != test.want {
			t.Errorf("%s: wait %v, want %v", name, got, test.want)
		}
	}
}
