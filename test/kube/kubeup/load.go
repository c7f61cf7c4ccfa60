package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/fairlead-io/fairlead/test/kube/node"
	"github.com/fairlead-io/fairlead/test/kube/slot"
)

func runLoad(ctx context.Context, args []string, r *report) error {
	set := flag.NewFlagSet("load", flag.ContinueOnError)
	dir := set.String("dir", "", "`folder` of a running cluster (required)")
	set.Usage = func() {
		fmt.Fprintln(set.Output(), "usage: kubeup load --dir DIR FILE...\n\nImports archives, as docker save makes them.")
		set.PrintDefaults()
	}
	if err := set.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return err
		}
		return errUsage
	}
	if *dir == "" || set.NArg() == 0 {
		set.Usage()
		return errUsage
	}
	about, err := readDescription(filepath.Join(*dir, descriptionName))
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("load: no cluster runs in %s", *dir)
	}
	if err != nil {
		return fmt.Errorf("load: %w", err)
	}
	if about.NodeName == "" {
		return fmt.Errorf("load: the cluster has no node: %s", about.NoNode)
	}
	return node.Load(ctx, slot.Slot{Number: about.Slot}, set.Args(), r.line)
}

func readDescription(path string) (description, error) {
	var d description
	data, err := os.ReadFile(path)
	if err != nil {
		return d, err
	}
	if err := json.Unmarshal(data, &d); err != nil {
		return d, fmt.Errorf("read %s: %w", path, err)
	}
	return d, nil
}
