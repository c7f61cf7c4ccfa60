package link

import (
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/fairlead-io/fairlead/deploy/reload"
	"github.com/fairlead-io/fairlead/subjects/cause"
)

// credsFile is a credentials file that may be missing, damaged or replaced at
// any time. It is for one goroutine.
type credsFile struct {
	path    string
	cluster string // "" for any

	file  *reload.File[*Creds] // nil until it could be read
	creds *Creds               // nil with an err
	err   error                // why the file, as it is, cannot be used

	// The last good credentials and the digest of their text, to recognize them
	// after the file was missing for a while.
	last       *Creds
	lastDigest [sha256.Size]byte
}

// read returns the credentials in the file, or why there are none, as a
// [cause.Failure]. changed reports that this is not what the last call returned.
func (f *credsFile) read() (c *Creds, changed bool, err error) {
	c, err = f.poll()
	if err != nil {
		err = f.failure(err)
	}
	changed = c != f.creds || (err == nil) != (f.err == nil) || err != nil && err.Error() != f.err.Error()
	f.creds, f.err = c, err
	return c, changed, err
}

// failure says why the file cannot be used.
func (f *credsFile) failure(err error) *cause.Failure {
	id := cause.BadCredentials
	if errors.Is(err, errOtherCluster) {
		id = cause.WrongCluster
	}
	return &cause.Failure{Hop: cause.JWT, Cause: id, Tried: "read the credentials", Got: cause.Plain(err.Error()), Err: err}
}

// errOtherCluster is for credentials of another cluster than the one to serve.
var errOtherCluster = errors.New("see --cluster")

// poll returns the credentials in the file as it is now.
func (f *credsFile) poll() (*Creds, error) {
	if f.file == nil {
		// Without a log: the connector reports what is wrong with the file.
		file, err := reload.Open("credentials", f.path, nil, f.parse)
		if err != nil {
			return nil, err
		}
		f.file = file
	}
	c, err := f.file.Poll()
	if err != nil {
		return nil, err // c is from before
	}
	return c, nil
}

func (f *credsFile) parse(b []byte) (*Creds, error) {
	defer clear(b)
	digest := sha256.Sum256(b)
	if f.last != nil && f.lastDigest == digest {
		return f.last, nil
	}
	c, err := parseCreds(b)
	if err != nil {
		return nil, err
	}
	if f.cluster != "" && c.Cluster != f.cluster {
		return nil, fmt.Errorf("these are for cluster %q, not for %q (%w)", c.Cluster, f.cluster, errOtherCluster)
	}
	f.last, f.lastDigest = c, digest
	return c, nil
}
