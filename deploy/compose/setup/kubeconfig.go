package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

const (
	// patience bounds the wait for a system that has just been started.
	patience = time.Minute
	// oneTry bounds one request; the bridge answers it without asking anyone.
	oneTry = 5 * time.Second
	// pause is the time between two tries.
	pause = 500 * time.Millisecond
	// largest is more than the size of any kubeconfig of one cluster.
	largest = 1 << 20
)

// printKubeconfig asks the bridge, with the first token, and prints the answer.
func printKubeconfig(ctx context.Context, url, keys string, out io.Writer) error {
	ca, err := os.ReadFile(filepath.Join(keys, "tls", "ca.crt"))
	if err != nil {
		return fmt.Errorf("read CA: %w", err)
	}
	token, err := os.ReadFile(filepath.Join(keys, "token"))
	if err != nil {
		return fmt.Errorf("read token: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		return errors.New("read CA: no certificate in it")
	}
	client := &http.Client{
		Timeout:   oneTry,
		Transport: &http.Transport{Proxy: nil, TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}},
	}
	defer client.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	body, err := get(ctx, client, url, string(bytes.TrimSpace(token)))
	if err != nil {
		return fmt.Errorf("ask for a kubeconfig: %w", err)
	}
	_, err = out.Write(body)
	return err
}

// get tries until it gets an answer that is final.
func get(ctx context.Context, client *http.Client, url, token string) ([]byte, error) {
	for {
		body, again, err := tryGet(ctx, client, url, token)
		if !again {
			return body, err
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(pause):
		}
	}
}

func tryGet(ctx context.Context, client *http.Client, url, token string) (body []byte, again bool, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, false, err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := client.Do(req)
	if err != nil {
		return nil, true, err
	}
	defer resp.Body.Close()
	body, err = io.ReadAll(io.LimitReader(resp.Body, largest))
	switch {
	case err != nil:
		return nil, true, err
	case resp.StatusCode >= http.StatusInternalServerError: // nginx is up before the bridges are
		return nil, true, fmt.Errorf("%s: %s", url, resp.Status)
	case resp.StatusCode != http.StatusOK:
		return nil, false, fmt.Errorf("%s: %s: %.300s", url, resp.Status, body)
	}
	return body, false, nil
}
