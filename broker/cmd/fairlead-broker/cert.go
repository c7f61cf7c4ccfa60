package main

import (
	"crypto/x509"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/fairlead-io/fairlead/broker/keys"
	"github.com/fairlead-io/fairlead/deploy/daemon"
)

func certCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "cert", Short: "Renew the server certificate in a directory made by init", Args: cobra.NoArgs}
	cmd.AddCommand(certRenewCommand())
	return cmd
}

func certRenewCommand() *cobra.Command {
	var (
		dir   string
		hosts []string
	)
	cmd := &cobra.Command{
		Use:   "renew",
		Short: "Issue a new server certificate by the private CA",
		Long: `Issue a new key and certificate for broker and bridge by the private CA, valid
for 825 days. Brokers and bridges that run from the directory read them when the next client
connects; agents and kubeconfigs, which trust the CA, notice nothing.

Broker and bridge warn in their logs from 30 days before a certificate expires.
The key of the CA, tls/ca.key, must be in the directory.`,
		Example: `  fairlead-broker cert renew --dir ./fairlead
  fairlead-broker cert renew --dir ./fairlead --host nats.example.com --host 10.0.0.7`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if dir == "" {
				return daemon.Usagef("--dir is required")
			}
			l, err := keys.OpenLayout(dir)
			if err != nil {
				return &daemon.ConfigError{Err: err}
			}
			renew := l.RenewServerCertificate
			if len(hosts) > 0 {
				renew = func() (*x509.Certificate, error) { return l.IssueServerCertificate(hosts...) }
			}
			cert, err := renew()
			if err != nil {
				return err
			}
			printCert(cmd.OutOrStdout(), l, cert)
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVar(&dir, "dir", "", "`directory` that 'fairlead-broker init' made")
	f.StringSliceVar(&hosts, "host", nil, "`name or address`, in addition to localhost, of broker and bridge; may be repeated (default: those of the present certificate)")
	daemon.MarkPath(f, "dir")
	return cmd
}

func printCert(w io.Writer, l *keys.Layout, cert *x509.Certificate) {
	hosts := cert.DNSNames
	for _, ip := range cert.IPAddresses {
		hosts = append(hosts, ip.String())
	}
	fmt.Fprintf(w, `Wrote %s and %s: for %s, until %s.
Copy both to the other machines that have a copy of %s.
`, l.ServerCertFile(), l.ServerKeyFile(), strings.Join(hosts, ", "), cert.NotAfter.Format(time.DateOnly), l.Dir())
}
