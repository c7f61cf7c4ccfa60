package webhook

import (
	"context"
	"fmt"
	"github.com/fairlead-io/fairlead/subjects/natslink/dial/proxy"
	"log/slog"
	"net/http"
	"os"
)

// Probe reports whether the service of a kubeconfig can be reached, and returns its
// address. It sends no review: any answer to a GET will do, but for a refusal of the
// bridge's credential and a gateway's word that there is no service. proxies is how it is
// reached, nil for the proxies of the environment. It takes at most 3 s.
func Probe(ctx context.Context, kubeconfig string, proxies *proxy.Proxies) (url string, err error) {
	content, err := os.ReadFile(kubeconfig)
	if err != nil {
		return "", err
	}
	e, err := parseKubeconfig(content, kubeconfig, proxies, slog.New(slog.DiscardHandler))
	if err != nil {
		return "", err
	}
	defer e.close()
	client, err := e.connect()
	if err != nil {
		return e.url, err
	}
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, e.url, nil)
	if err != nil {
		return e.url, err
	}
	res, err := client.Do(req)
	if err != nil {
		return e.url, err
	}
	_ = res.Body.Close()
	switch res.StatusCode {
	case http.StatusUnauthorized, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return e.url, fmt.Errorf("it answers %d %s", res.StatusCode, http.StatusText(res.StatusCode))
	}
	return e.url, nil
}
