package settings

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/fairlead-io/fairlead/subjects"
	wire "github.com/fairlead-io/fairlead/subjects/settings"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// agent is what an applier sets.
type agent struct {
	*Applier
	level     slog.LevelVar
	streams   atomic.Int64
	narrow    atomic.Pointer[wire.Restriction]
	announced atomic.Int64
	log       bytes.Buffer
	stop      func()
}

// start runs an applier in a bubble of synctest.
func start(t *testing.T, accept []string, change func(*Config)) *agent {
	t.Helper()
	a := &agent{}
	a.level.Set(slog.LevelWarn)
	cfg := Config{
		Accept: accept, Labels: map[string]string{"site": "a"}, LogLevel: &a.level, SetMaxStreams: func(n int) { a.streams.Store(int64(n)) },
		Restrict: func(r *wire.Restriction) { a.narrow.Store(r) }, Announce: func() { a.announced.Add(1) },
		Logger: slog.New(slog.NewTextHandler(&a.log, nil)),
	}
	if change != nil {
		change(&cfg)
	}
	a.Applier = New(cfg)
	ctx, cancel := context.WithCancel(t.Context())
	ran := make(chan struct{})
	go func() {
		defer close(ran)
		a.Run(ctx)
	}()
	a.stop = func() { cancel(); <-ran }
	return a
}

// send has a message applied.
func (a *agent) send(message string) {
	a.Receive([]byte(message))
	time.Sleep(interval)
	synctest.Wait()
}

func (a *agent) is() string {
	restrict := ""
	if r := a.narrow.Load(); r != nil {
		b, _ := json.Marshal(r)
		restrict = string(b)
	}
	s := a.State()
	return fmt.Sprintf("%s overridden=%v refused=%s labels=%v level=%v streams=%d restrict=%s", s.Revision, s.Overridden, s.Refused, a.Labels(), a.level.Level(), a.streams.Load(), restrict)
}

const everything = `{"revision":"7","labels":{"env":"prod","site":"b"},"logLevel":{"level":"debug"},"limits":{"maxStreams":5},"restrict":{"readOnly":true,"exec":false}}`

// TestPrecedence: what the owner fixed, before what was sent, before the default.
func TestPrecedence(t *testing.T) {
	for name, c := range map[string]struct {
		accept []string
		change func(*Config)
		want   string
	}{
		"nothing accepted":    {nil, nil, "7 overridden=[labels logLevel limits restrict] refused= labels=map[site:a] level=WARN streams=0 restrict="},
		"the default":         {[]string{"labels", "logLevel"}, nil, "7 overridden=[labels.site limits restrict] refused= labels=map[env:prod site:a] level=DEBUG streams=0 restrict="},
		"everything accepted": {wire.Fields(), nil, `7 overridden=[labels.site] refused= labels=map[env:prod site:a] level=DEBUG streams=5 restrict={"readOnly":true,"exec":false}`},
		"fixed by flags": {wire.Fields(), func(c *Config) { c.LogLevel, c.SetMaxStreams = nil, nil },
			`7 overridden=[labels.site logLevel limits] refused= labels=map[env:prod site:a] level=WARN streams=0 restrict={"readOnly":true,"exec":false}`},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := start(t, c.accept, c.change)
				defer a.stop()
				if a.send(everything); a.is() != c.want {
					t.Errorf("got  %s\nwant %s", a.is(), c.want)
				}
				if a.announced.Load() != 1 {
					t.Errorf("announced %d times", a.announced.Load())
				}
				// What newer settings leave out is the owner's again.
				if a.send(`{"revision":"8"}`); a.is() != "8 overridden=[] refused= labels=map[site:a] level=WARN streams=0 restrict=" {
					t.Errorf("got %s", a.is())
				}
			})
		})
	}
}

// TestAllOrNothing: settings of which one value cannot be used change nothing, and the
// refusal names it.
func TestAllOrNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := start(t, wire.Fields(), nil)
		defer a.stop()
		a.send(everything)
		before := a.is()
		many := map[string]string{}
		for i := range subjects.MaxLabels {
			many[fmt.Sprint("k", i)] = "v"
		}
		labels, _ := json.Marshal(many)
		for message, field := range map[string]string{
			`{"revision":"8","logLevel":{"level":"info"},"limits":{"maxStreams":0}}`:                  "limits.maxStreams",
			`{"revision":"8","logLevel":{"level":"info"},"restrict":{"readOnly":false}}`:              "restrict.readOnly",
			`{"revision":"8","labels":` + string(labels) + `}`:                                        "labels", // with the owner's, one too many
			`{"revision":"8","logLevel":{"level":"info"},"allow":{"requests":null}}`:                  "allow",
			`{"revision":"8","logLevel":{"level":"info"},"labels":{"a":"` + strings.Repeat("x", 5000): "",
		} {
			a.send(message)
			s := a.State()
			if s.Error == "" || !strings.Contains(s.Error, field) {
				t.Errorf("%.80s: says %q, want %q", message, s.Error, field)
			}
			if now := strings.Replace(a.is(), "refused=8", "refused=", 1); now != before {
				t.Errorf("%.80s: %s", message, now)
			}
		}
		if a.send(everything); a.State().Error != "" || a.is() != before {
			t.Errorf("sent again: %s", a.is())
		}
	})
}

// TestLevelEnds: a level with an end goes back to the owner's, also if its end was over
// when it came.
func TestLevelEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := start(t, wire.Fields(), nil)
		defer a.stop()
		debug := func(revision int, in time.Duration) {
			a.send(fmt.Sprintf(`{"revision":"%d","logLevel":{"level":"debug","until":"%s"}}`, revision, time.Now().Add(in).Format(time.RFC3339Nano)))
		}
		is := func(want slog.Level) {
			t.Helper()
			if got := a.level.Level(); got != want {
				t.Errorf("level %v, want %v", got, want)
			}
		}
		debug(1, time.Hour)
		is(slog.LevelDebug)
		time.Sleep(time.Hour - time.Second)
		is(slog.LevelDebug)
		time.Sleep(time.Second)
		synctest.Wait()
		is(slog.LevelWarn)
		debug(2, -time.Hour)
		is(slog.LevelWarn)
		debug(3, time.Hour)
		a.send(`{"revision":"4","logLevel":{"level":"debug"}}`) // without an end
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		is(slog.LevelDebug)
		a.Reset()
		is(slog.LevelWarn)
	})
}

// TestFlood: of a flood the last message counts, few are applied, and nothing waits.
func TestFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := start(t, wire.Fields(), nil)
		defer a.stop()
		for i := range 10000 {
			a.Receive(fmt.Appendf(nil, `{"revision":"%d"}`, i))
		}
		time.Sleep(2 * interval)
		synctest.Wait()
		if got := a.State().Revision; got != "9999" {
			t.Errorf("revision %s", got)
		}
		if n := a.announced.Load(); n > 3 {
			t.Errorf("%d were applied", n)
		}
		if n := strings.Count(a.log.String(), "\n"); n > 3 {
			t.Errorf("%d lines of log", n)
		}
	})
}

// TestNothingIsShared: the message and what the applier tells can be changed by others
// without an effect on it.
func TestNothingIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		own := map[string]string{"site": "a"}
		a := start(t, wire.Fields(), func(c *Config) { c.Labels = own })
		defer a.stop()
		message := []byte(everything)
		a.Receive(message)
		clear(message)
		time.Sleep(interval)
		synctest.Wait()
		if want := map[string]string{"site": "a", "env": "prod"}; !maps.Equal(a.Labels(), want) || !reflect.DeepEqual(own, map[string]string{"site": "a"}) {
			t.Errorf("%v, %v", a.Labels(), own)
		}
	})
}

func TestAcceptIsChecked(t *testing.T) {
	if err := CheckAccept(wire.Fields()); err != nil {
		t.Error(err)
	}
	if err := CheckAccept([]string{"labels", "allow"}); err == nil || !strings.Contains(err.Error(), `"allow"`) {
		t.Errorf("got %v", err)
	}
}

// TestQuietIsNotSecret: a platform that makes an agent log less, or more again, is in its
// log with that.
func TestQuietIsNotSecret(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		a := start(t, []string{wire.LogLevel}, func(c *Config) {
			c.LogLevel.Set(slog.LevelInfo)
			c.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: c.LogLevel}))
		})
		defer a.stop()
		for _, m := range []string{`{"revision":"1","logLevel":{"level":"error"}}`, `{"revision":"2"}`, `{"revision":"3","logLevel":{"level":"debug"}}`} {
			log.Reset()
			if a.send(m); !strings.Contains(log.String(), "settings of the platform applied") {
				t.Errorf("%s: the log has %q", m, log.String())
			}
		}
	})
}

// TestSettingsOfAnotherCluster: a message that was about to be applied when the agent began
// to serve another cluster is not.
func TestSettingsOfAnotherCluster(t *testing.T) {
	a := New(Config{Accept: wire.Fields(), Announce: func() {}, Logger: slog.New(slog.DiscardHandler)})
	a.Receive([]byte(`{"revision":"1","labels":{"env":"prod"}}`))
	taken := <-a.arrived // as Run does
	a.Reset()
	if a.receive(taken); a.State().Revision != "" || len(a.Labels()) != 0 {
		t.Errorf("revision %q, labels %v of the cluster before", a.State().Revision, a.Labels())
	}
	a.Receive([]byte(`{"revision":"2"}`))
	if a.receive(<-a.arrived); a.State().Revision != "2" {
		t.Errorf("revision %q, want that of the cluster of now", a.State().Revision)
	}
}
