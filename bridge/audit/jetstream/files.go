package jetstream

import (
	"log/slog"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"

	"github.com/fairlead-io/fairlead/deploy/reload"
)

// Files are those that the configuration names, under its keys in an access file. The
// connection reads them itself, at each connect: they are followed so that their operator
// learns in time that they expire, or cannot be used.
func (s *Sink) Files() []reload.Followed { return s.files }

// follow opens the files of a configuration, which must be good at the start.
func follow(c Config, log *slog.Logger) (all []reload.Followed, err error) {
	if c.CertificateAuthority != "" {
		cas, err := reload.LoadCertPool(c.CertificateAuthority, log)
		if err != nil {
			return nil, err
		}
		all = cas.Followed("audit.jetStream.certificateAuthority")
	}
	if c.Credentials == "" {
		return all, nil
	}
	file, err := reload.Open("NATS credentials", c.Credentials, log, parseCredentials)
	if err != nil {
		return nil, err
	}
	credentials := file.Followed("audit.jetStream.credentials")
	status := credentials.Status
	credentials.Status = func() reload.Status {
		now := status()
		now.Certificates = file.Peek()
		return now
	}
	return append(all, credentials), nil
}

// parseCredentials returns the user of a credentials file as a certificate; none if it
// does not expire.
func parseCredentials(content []byte) ([]reload.Certificate, error) {
	if err := checkCredentials(content); err != nil {
		return nil, err
	}
	token, err := nkeys.ParseDecoratedJWT(content)
	if err != nil {
		return nil, errNoCredentials
	}
	user, err := jwt.DecodeUserClaims(token)
	if err != nil {
		return nil, errNoCredentials // err may show the token
	}
	if user.Expires == 0 {
		return nil, nil
	}
	from := max(user.IssuedAt, user.NotBefore)
	return []reload.Certificate{{Subject: user.Name, NotBefore: time.Unix(from, 0), NotAfter: time.Unix(user.Expires, 0)}}, nil
}
