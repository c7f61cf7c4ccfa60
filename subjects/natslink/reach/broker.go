package reach

import (
	"cmp"
	"log/slog"
	"math/rand/v2"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/fairlead-io/fairlead/deploy/reload"
	"github.com/fairlead-io/fairlead/subjects/natslink"
	"github.com/fairlead-io/fairlead/subjects/natslink/dial"
	"github.com/fairlead-io/fairlead/subjects/natslink/dial/proxy"
	"github.com/fairlead-io/fairlead/subjects/natslink/dial/transport"
)

// Broker is a broker, as it is reached. It is safe for concurrent use.
type Broker struct {
	servers   []*url.URL
	transport *transport.Source
	proxy     *proxy.Proxies
	proxyCA   string // the flag of the proxy's CAs
	log       *slog.Logger
	limits    sharedLimits // for redialers

	mu       sync.Mutex       // guards the rest
	proxyCAs *reload.CertPool // to know when they expire; nil until they could be read
}

// Open returns the broker of a configuration. It reads no file. A nil log discards.
func Open(cfg Config, log *slog.Logger) (*Broker, error) {
	servers, err := cfg.Check()
	if err != nil {
		return nil, err
	}
	return &Broker{
		servers: servers, transport: transport.Open(cfg.Transport, log), proxyCA: cfg.Transport.Prefix + "proxy-ca", log: log, limits: sharedLimits{limits: Limits{brief: true}},
		proxy: cfg.Proxies(),
	}, nil
}

// Servers returns the broker's servers, which must not be modified.
func (b *Broker) Servers() []*url.URL { return b.servers }

// Proxies is how the broker is reached through forward proxies: whatever else is reached
// through them shares the memory of refused logins. It must not be modified.
func (b *Broker) Proxies() *proxy.Proxies { return b.proxy }

// Files are the files of certificates that could be read so far, by the names of the
// flags.
func (b *Broker) Files() []reload.Followed {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.proxyCAs == nil && b.proxy.CAFile != "" {
		if cas, err := reload.LoadCertPool(b.proxy.CAFile, b.log); err == nil { // else connecting says why
			b.proxyCAs = cas
		}
	}
	return append(b.transport.Files(), b.proxyCAs.Followed(b.proxyCA)...)
}

// ClientCertificate is [transport.Source.ClientCertificate].
func (b *Broker) ClientCertificate() (file string, end time.Time) {
	return b.transport.ClientCertificate()
}

// WarnInTheClear logs which servers are reached without TLS.
func (b *Broker) WarnInTheClear(log *slog.Logger) {
	for _, server := range b.servers {
		if natslink.InTheClear(server) {
			log.Warn("requests, answers and who sends them can be read on the way to this server: it is not reached by TLS", "server", natslink.ShownServer(server))
		}
	}
}

// Read reads the files, for those that must be good at the start. The error is a
// [cause.Failure].
func (b *Broker) Read() error {
	if _, err := b.transport.TLS(); err != nil {
		return err
	}
	_, err := b.transport.Header()
	return err
}

// Dialer returns the dialer of one attempt at one of the servers, with the files as they
// are now. The error is a [cause.Failure].
func (b *Broker) Dialer(server *url.URL) (*dial.Dialer, error) {
	secure, err := b.transport.TLS()
	if err != nil {
		return nil, err
	}
	header, err := b.transport.Header()
	if err != nil {
		return nil, err
	}
	return &dial.Dialer{Server: server, TLS: secure, Header: header, Proxy: b.proxy}, nil
}

// Order returns the servers in the order in which they are tried: random, except that
// the one that was lost last comes last (nil: none was). If nothing answers there any
// more, an attempt takes all the time it may.
func (b *Broker) Order(lost *url.URL) []*url.URL {
	order := slices.Clone(b.servers)
	rand.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	rank := func(u *url.URL) int {
		if u == lost {
			return 1
		}
		return 0
	}
	slices.SortStableFunc(order, func(x, y *url.URL) int { return cmp.Compare(rank(x), rank(y)) })
	return order
}
