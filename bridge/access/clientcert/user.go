package clientcert

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/bridge/answer"
)

// uidAttribute is where Kubernetes has the user's uid in a subject.
var uidAttribute = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57683, 2}

// credentialID is where Kubernetes has the fingerprint of the credential.
const credentialID = "authentication.kubernetes.io/credential-id"

// user returns the caller that a verified certificate names, as Kubernetes reads it.
func user(cert *x509.Certificate, until time.Time) (*access.Caller, error) {
	name := cert.Subject.CommonName
	if name == "" {
		return nil, fmt.Errorf("%w: its subject has no common name (CN)", ErrNoName)
	}
	uid, err := uid(cert)
	if err != nil {
		return nil, err
	}
	fingerprint := sha256.Sum256(cert.Raw)
	return &access.Caller{
		Name: name, Groups: slices.Clone(cert.Subject.Organization), UID: uid,
		Extra:   map[string][]string{credentialID: {"X509SHA256=" + hex.EncodeToString(fingerprint[:])}},
		Method:  access.MethodCertificate,
		Expires: until,
	}, nil
}

// uid returns the uid in a subject, "" without.
func uid(cert *x509.Certificate) (string, error) {
	found := ""
	for _, attribute := range cert.Subject.Names {
		if !attribute.Type.Equal(uidAttribute) {
			continue
		}
		value, ok := attribute.Value.(string)
		if !ok || value == "" || found != "" {
			return "", fmt.Errorf("%w: the uid in the subject of %q is empty, not text, or there twice", ErrNoName, answer.Clip(cert.Subject.CommonName))
		}
		found = value
	}
	return found, nil
}
