package clientcert

import (
	"crypto/x509"
	"sync"
	"time"
)

// maxPeers bounds the proxies' certificates that are remembered as verified. There is
// one for each proxy, and another at a renewal.
const maxPeers = 100

// peers remembers proxies that have been verified. It is safe for concurrent use.
type peers struct {
	mu   sync.Mutex // guards good
	good map[digest]verified
}

// verified holds until a time, and for as long as the bundle is the same.
type verified struct {
	pool  *x509.CertPool
	until time.Time
}

// verify reports whether a certificate leads to its bundle as that is now.
func (p *peers) verify(of proof) bool {
	d, pool, now := identify(of.certs), of.bundle.pool.Load(), time.Now()
	p.mu.Lock()
	v, ok := p.good[d]
	p.mu.Unlock()
	if ok && v.pool == pool && now.Before(v.until) {
		return true
	}
	until, err := of.verify(pool, now)
	if err != nil {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.good == nil || len(p.good) >= maxPeers {
		p.good = make(map[digest]verified)
	}
	p.good[d] = verified{pool, until}
	return true
}
