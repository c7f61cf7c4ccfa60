package clientcert

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
)

type digest = [sha256.Size]byte

// identify tells what senders present apart: the certificates of the connection, and
// what a proxy passes on in headers.
func identify(peer []*x509.Certificate, passed ...string) digest {
	b := binary.AppendUvarint(make([]byte, 0, 4<<10), uint64(len(peer)))
	for _, c := range peer {
		b = binary.AppendUvarint(b, uint64(len(c.Raw)))
		b = append(b, c.Raw...)
	}
	for _, s := range passed {
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	return sha256.Sum256(b)
}
