package webhook

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"time"

	"github.com/fairlead-io/fairlead/deploy/reload"
	"github.com/fairlead-io/fairlead/deploy/strictyaml"
	"github.com/fairlead-io/fairlead/subjects/natslink/dial/proxy"
)

// File is a file of webhooks, with the files that it names. It is read again within a
// second of a change; one that cannot be used leaves what there was. It is safe for
// concurrent use.
type File struct {
	file *reload.File[[]*target]
}

// target is a webhook that can be sent to. It is safe for concurrent use.
type target struct {
	Hook
	secrets *reload.File[[][]byte]
	roots   *reload.CertPool // nil: the system's
	client  *http.Client
}

// Open reads a file, and those that it names. proxies is how webhooks are reached, nil for
// the proxies of the environment.
func Open(path string, proxies *proxy.Proxies, log *slog.Logger) (*File, error) {
	if proxies == nil {
		proxies = &proxy.Proxies{For: proxy.FromEnvironment()}
	}
	file, err := reload.Open("webhooks", path, log, func(content []byte) ([]*target, error) {
		c, err := Parse(content)
		if err != nil {
			return nil, err
		}
		return c.open(filepath.Dir(path), proxies, log)
	})
	if err != nil {
		return nil, err
	}
	return &File{file}, nil
}

// Status is how the file stands.
func (f *File) Status() reload.Status { return f.file.Status() }

// Files are those that the file names.
func (f *File) Files() (all []reload.Followed) {
	for _, t := range f.file.Peek() {
		all = append(append(all, t.secrets.Followed(t.Name+".secretFiles")), t.roots.Followed(t.Name+".certificateAuthority")...)
	}
	return all
}

// Check reads what the file names, whose folder is dir.
func (c *Config) Check(dir string) error {
	_, err := c.open(dir, &proxy.Proxies{}, slog.New(slog.DiscardHandler))
	return err
}

func (c *Config) open(dir string, proxies *proxy.Proxies, log *slog.Logger) (all []*target, err error) {
	for i := range c.Webhooks {
		t := &target{Hook: c.Webhooks[i]}
		if failed := t.open(dir, proxies, log); failed != nil {
			err = errors.Join(err, fmt.Errorf("webhooks[%s]: %w", t.Name, failed))
		}
		all = append(all, t)
	}
	return all, err
}

func (t *target) open(dir string, proxies *proxy.Proxies, log *slog.Logger) (err error) {
	var paths []string
	for _, path := range t.SecretFiles {
		paths = append(paths, in(dir, path))
	}
	if t.secrets, err = reload.OpenAll("secrets of webhook "+t.Name, paths, log, parseSecrets); err != nil {
		return err
	}
	if t.CertificateAuthority != "" {
		if t.roots, err = reload.LoadCertPool(in(dir, t.CertificateAuthority), log); err != nil {
			return err
		}
	}
	t.client = &http.Client{
		Transport:     newTransport(t.roots, proxies),
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       attemptTimeout,
	}
	return nil
}

// in is a path that begins in a folder, unless it is absolute.
func in(dir, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}

// newTransport makes connections that verify by the CAs as they are when it connects.
func newTransport(roots *reload.CertPool, proxies *proxy.Proxies) *http.Transport {
	return &http.Transport{
		TLSClientConfig: reload.ClientTLS(roots, nil), DialContext: proxies.HTTPDial(attemptTimeout), ForceAttemptHTTP2: true,
		TLSHandshakeTimeout: attemptTimeout, ResponseHeaderTimeout: attemptTimeout, MaxResponseHeaderBytes: 64 << 10, IdleConnTimeout: time.Minute,
	}
}

// Faults are those of an error of [Parse] or [Config.Check], one each.
func Faults(err error) []error { return strictyaml.Faults(err) }
