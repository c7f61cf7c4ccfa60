// Command roots prints the certification authorities that the public web
// trusts, as one PEM file: the CA roots of the images.
//
// They are Mozilla's, as the Go team packs them for crypto/x509. A go.mod pins
// them and go.sum holds their hash. So an image does not depend on the CAs that its
// build machine trusts, which may include a corporate proxy's. The roots are as old
// as the pinned module: update it at every release.
//
// A CA that Mozilla trusts only for certificates from before some date is left out,
// since a PEM file cannot express that.
package main

import (
	"bufio"
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"os"

	"golang.org/x/crypto/x509roots/fallback/bundle"
)

func main() {
	out := bufio.NewWriter(os.Stdout)
	err := write(out)
	if err == nil {
		err = out.Flush()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "roots:", err)
		os.Exit(1)
	}
}

func write(w io.Writer) error {
	for root := range bundle.Roots() {
		cert, err := x509.ParseCertificate(root.Certificate)
		if err != nil {
			return fmt.Errorf("parse a certificate of the bundle: %w", err)
		}
		if root.Constraint != nil {
			continue
		}
		var block bytes.Buffer
		fmt.Fprintf(&block, "# %s\n", cert.Subject)
		if err := pem.Encode(&block, &pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw}); err != nil {
			return err
		}
		if _, err := w.Write(block.Bytes()); err != nil {
			return err
		}
	}
	return nil
}
