package link

import (
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"log/slog"
	"os"

	"github.com/fairlead-io/fairlead/deploy/reload"
)

// credsFile is a credentials file that may be missing, at fault or replaced at
// any time. What counts is its content: Kubernetes replaces a mounted Secret by
// moving a link. It is for one goroutine.
type credsFile struct {
	path    string
	cluster string // "" for any

	creds *Creds // nil with an err
	err   error
	seen  [sha256.Size]byte // digest of the content that creds and err are about
	known bool              // seen is set, and the content could be read last time

	// The last good ones: they are the same when a file is gone for a while.
	last       *Creds
	lastDigest [sha256.Size]byte
}

// read looks at the file. A kilobyte is read each time; that is cheaper than
// being wrong about which links were moved.
func (f *credsFile) read() (c *Creds, changed bool, err error) {
	b, err := os.ReadFile(f.path)
	if err != nil {
		err = fmt.Errorf("credentials: %w", err)
		changed = f.err == nil || f.err.Error() != err.Error()
		f.creds, f.err, f.known = nil, err, false
		return nil, changed, err
	}
	defer clear(b)
	digest := sha256.Sum256(b)
	if f.known && f.seen == digest {
		return f.creds, false, f.err
	}
	f.seen, f.known = digest, true
	if f.last != nil && f.lastDigest == digest {
		f.creds, f.err = f.last, nil
		return f.creds, true, nil
	}
	f.creds, f.err = parseCreds(f.path, b)
	if f.err == nil && f.cluster != "" && f.creds.Cluster != f.cluster {
		f.err = fmt.Errorf("cluster: %q, but the credentials %s are for cluster %q", f.cluster, f.path, f.creds.Cluster)
		f.creds = nil
	}
	if f.err == nil {
		f.last, f.lastDigest = f.creds, digest
	}
	return f.creds, true, f.err
}

// caFile is the file with the CAs of the broker, which may come later than the
// agent. The zero value of path is for the system's.
type caFile struct {
	path string
	log  *slog.Logger
	pool *reload.CertPool // nil until it could be read
}

// roots returns the set as it is now, nil for the system's.
func (f *caFile) roots() (*x509.CertPool, error) {
	if f.path == "" {
		return nil, nil
	}
	if f.pool == nil {
		pool, err := reload.LoadCertPool(f.path, f.log)
		if err != nil {
			return nil, fmt.Errorf("ca: %w", err)
		}
		f.pool = pool
	}
	return f.pool.Pool(), nil
}
