package reload

import (
	"cmp"
	"crypto/x509"
	"slices"
	"strings"
	"time"
)

// Bounds of what [Status.Certificates] has: a bundle of a system has 150 CAs.
const (
	maxCertificates = 64
	maxSubject      = 100 // bytes
)

// Certificate is one of a file, for its operators.
type Certificate struct {
	// Subject is the common name or, without one, the organization or the serial number.
	Subject string
	// CA is false for what a process presents as its own.
	CA                  bool
	NotBefore, NotAfter time.Time
}

// Summarize returns what operators want to know of certificates, the first to expire
// first. own is presented by the process, nil if none is. Of several with one subject it
// has the one that is good for longest: the others were renewed.
func Summarize(own *x509.Certificate, cas []*x509.Certificate) []Certificate {
	latest := map[string]Certificate{}
	for _, c := range cas {
		name := subject(c)
		if c.NotAfter.After(latest[name].NotAfter) {
			latest[name] = Certificate{name, true, c.NotBefore, c.NotAfter}
		}
	}
	var all []Certificate
	for _, c := range latest {
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b Certificate) int {
		return cmp.Or(a.NotAfter.Compare(b.NotAfter), cmp.Compare(a.Subject, b.Subject))
	})
	if own != nil {
		all = slices.Insert(all, 0, Certificate{subject(own), false, own.NotBefore, own.NotAfter})
	}
	return all[:min(len(all), maxCertificates)]
}

func subject(c *x509.Certificate) string {
	name := c.Subject.CommonName
	if name == "" && len(c.Subject.Organization) > 0 {
		name = c.Subject.Organization[0]
	}
	if name == "" && c.SerialNumber != nil {
		name = "serial " + c.SerialNumber.Text(16)
	}
	return strings.ToValidUTF8(name[:min(len(name), maxSubject)], "")
}

// Followed is a file that a process follows, under the name by which its operators know
// it: a flag, or the key of a configuration that names it.
type Followed struct {
	Name string
	// Poll looks for a change. It may wait for the file system.
	Poll func()
	// Status does not block.
	Status func() Status
}

// Followed returns the file under a name.
func (f *File[T]) Followed(name string) Followed {
	return Followed{name, func() { f.Get() }, f.Status}
}

// Followed returns the set under a name; without files for a nil set.
func (p *CertPool) Followed(name string) []Followed {
	if p == nil {
		return nil
	}
	return []Followed{{name, func() { p.Pool() }, p.Status}}
}

// Followed returns the pair under a name; without files for a nil pair.
func (k *KeyPair) Followed(name string) []Followed {
	if k == nil {
		return nil
	}
	return []Followed{{name, func() { k.Certificate() }, k.Status}}
}
