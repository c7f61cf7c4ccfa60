package broker

import (
	"strings"
	"testing"
	"time"
)

func TestConfigValidate(t *testing.T) {
	good := Config{Dir: "d"}
	if err := good.Validate(); err != nil {
		t.Fatalf("the defaults: %v", err)
	}
	for _, c := range []struct {
		field string
		spoil func(*Config)
	}{
		{"dir, nats-config", func(c *Config) { c.Dir = "" }},
		{"dir, nats-config", func(c *Config) { c.NATSConfig = "x" }},
		{"listen", func(c *Config) { c.Listen = "4222" }},
		{"listen", func(c *Config) { c.Listen = Off }},
		{"listen", func(c *Config) { c.Listen = ":65536" }},
		{"websocket-listen", func(c *Config) { c.WebsocketListen = "x:y" }},
		{"routes-listen", func(c *Config) { c.RoutesListen = "x" }},
		{"routes-listen", func(c *Config) { c.RoutesListen, c.Routes = Off, []string{"tls://b:6222"} }},
		{"routes", func(c *Config) { c.Routes = []string{"nats://b:6222"} }},
		{"routes", func(c *Config) { c.Routes = []string{"tls://b"} }},
		{"routes", func(c *Config) { c.Routes = []string{"tls://user:secret@b:6222"} }},
		{"tls-cert", func(c *Config) { c.TLSCert = "x" }},
		{"drain-timeout", func(c *Config) { c.DrainTimeout = -time.Second }},
		{"cluster-name", func(c *Config) { c.ClusterName = "a b" }},
	} {
		cfg := good
		c.spoil(&cfg)
		if err := cfg.Validate(); err == nil || !strings.HasPrefix(err.Error(), c.field) {
			t.Errorf("%+v: error %v, want one that begins with %q", cfg, err, c.field)
		}
	}
}

func TestRoutesNeedAPrivateCA(t *testing.T) {
	l := newLayout(t)
	cfg := Config{
		NATSConfig: writeNSCConfig(t, l, ""), TLSCert: l.ServerCertFile(), TLSKey: l.ServerKeyFile(),
		Listen: "127.0.0.1:0", RoutesListen: "127.0.0.1:0", WebsocketListen: Off, Logger: testLog(t),
	}
	b, err := Start(cfg)
	if err == nil {
		b.Shutdown()
		t.Fatal("started routes that trust the system's CAs")
	}
	if !strings.Contains(err.Error(), "tls-ca") {
		t.Errorf("error %q does not name tls-ca", err)
	}
}
