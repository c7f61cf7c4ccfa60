package tracing

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/url"
	"os"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// checkEndpoints checks the URLs of the collector. One can hold a password, so that
// errors do not show them.
func checkEndpoints() error {
	for _, name := range []string{otlp + "ENDPOINT", otlp + "TRACES_ENDPOINT"} {
		text := env(name)
		if text == "" {
			continue
		}
		u, err := url.Parse(text)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			return fmt.Errorf("%s: not a URL such as http://collector:4318", name)
		}
		if u.User != nil || u.RawQuery != "" || u.Fragment != "" {
			return fmt.Errorf("%s: the URL has a user, a query or a fragment, which would not be sent; credentials belong into %sHEADERS", name, otlp)
		}
	}
	return nil
}

// host is where spans are sent, for the log.
func host() string {
	_, endpoint := of("ENDPOINT")
	if u, err := url.Parse(endpoint); err == nil && u.Host != "" {
		return u.Host
	}
	return "localhost:4318" // the specification's default
}

// checkHeaders checks the headers that are sent to the collector. Errors never show
// one: they are where its credentials are.
func checkHeaders() error {
	for _, name := range []string{otlp + "HEADERS", otlp + "TRACES_HEADERS"} {
		text := env(name)
		if text == "" {
			continue
		}
		for i, pair := range strings.Split(text, ",") {
			k, v, ok := strings.Cut(pair, "=")
			v, err := url.PathUnescape(v)
			if !ok || err != nil || !httpguts.ValidHeaderFieldName(strings.TrimSpace(k)) || !httpguts.ValidHeaderFieldValue(v) {
				return fmt.Errorf("%s: header %d is not like name=value, with special characters percent-encoded", name, i+1)
			}
		}
	}
	return nil
}

// checkFiles checks the certificates for the connection to the collector.
func checkFiles() error {
	for _, prefix := range []string{otlp, otlp + "TRACES_"} {
		if file := env(prefix + "CERTIFICATE"); file != "" {
			pem, err := os.ReadFile(file)
			if err != nil {
				return fmt.Errorf("%sCERTIFICATE: %w", prefix, err)
			}
			if !x509.NewCertPool().AppendCertsFromPEM(pem) {
				return fmt.Errorf("%sCERTIFICATE: %s holds no PEM certificate", prefix, file)
			}
		}
		cert, key := env(prefix+"CLIENT_CERTIFICATE"), env(prefix+"CLIENT_KEY")
		switch {
		case cert == "" && key == "":
		case cert == "" || key == "":
			return fmt.Errorf("%sCLIENT_CERTIFICATE and %sCLIENT_KEY: give both, or none", prefix, prefix)
		default:
			if _, err := tls.LoadX509KeyPair(cert, key); err != nil {
				return fmt.Errorf("%sCLIENT_CERTIFICATE, %sCLIENT_KEY: %w", prefix, prefix, err)
			}
		}
	}
	return nil
}
