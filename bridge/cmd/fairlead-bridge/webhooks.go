package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/fairlead-io/fairlead/bridge/events/webhook"
	"github.com/fairlead-io/fairlead/deploy/daemon"
)

// webhooks sends the events of the shared store to the webhooks of a file; none where there
// is no file.
func (w *wiring) webhooks() ([]daemon.Component, error) {
	if w.o.webhooks == "" {
		return nil, nil
	}
	proxies, err := w.proxies()
	if err != nil {
		return nil, err
	}
	file, err := webhook.Open(w.o.webhooks, proxies, w.log)
	if err != nil {
		return nil, &daemon.ConfigError{Err: err}
	}
	w.ops.File("webhooks", file.Status)
	w.ops.Files("webhooks-named", file.Files)
	sender := webhook.NewSender(file, w.cfg.Events, w.store, w.id, w.log)
	w.ops.Registry().MustRegister(sender)
	return []daemon.Component{{Name: "webhooks", Run: sender.Run}}, nil
}

// checkWebhooks checks a file of webhooks.
func (o *checkOptions) checkWebhooks(stdout, stderr io.Writer) error {
	content, err := os.ReadFile(o.webhooks)
	if err != nil {
		return daemon.Configf("webhooks: %w", err)
	}
	c, err := webhook.Parse(content)
	if err == nil && !o.elsewhere {
		err = c.Check(filepath.Dir(o.webhooks))
	}
	if err != nil {
		for _, f := range webhook.Faults(err) {
			fmt.Fprintf(stderr, "%s: %s\n", o.webhooks, f)
		}
		return daemon.Configf("%s cannot be used, for the reasons above", o.webhooks)
	}
	fmt.Fprintf(stdout, "%s can be used: %s\n", o.webhooks, c.Summary())
	return nil
}
