package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
)

// defaultTenant is the tenant of clusters that are written without one.
const defaultTenant = "default"

// label matches a DNS label: the form of names of clusters and tenants, which cannot
// lead to another folder.
var label = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)

// printCreds prints the credentials of one cluster.
func printCreds(keys, tenant, cluster string, out io.Writer) error {
	for _, name := range []string{cluster, tenant} {
		if !label.MatchString(name) {
			return fmt.Errorf("%q is not a name of a cluster or tenant", name)
		}
	}
	creds, err := os.ReadFile(filepath.Join(keys, "creds", cluster+"."+tenant+".creds"))
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("cluster %s of tenant %s has no credentials: 'admin cluster add' mints them", cluster, tenant)
	} else if err != nil {
		return fmt.Errorf("read credentials: %w", err)
	}
	_, err = out.Write(creds)
	return err
}

// printCA prints the CA that the certificates of brokers and nginx verify against.
func printCA(keys string, out io.Writer) error {
	ca, err := os.ReadFile(filepath.Join(keys, "tls", "ca.crt"))
	if err != nil {
		return fmt.Errorf("read CA: %w", err)
	}
	_, err = out.Write(ca)
	return err
}
