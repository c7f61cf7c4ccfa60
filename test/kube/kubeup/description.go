package main

import (
	"encoding/json"
	"fmt"
	"os"
)

// description is cluster.json, the contract with tests in other modules.
// Fields are only ever added.
type description struct {
	Version    string            `json:"version"`            // of Kubernetes
	Server     string            `json:"server"`             // URL of the API server
	CAFile     string            `json:"caFile"`             // signs the API server's certificate
	Kubeconfig string            `json:"kubeconfig"`         // of an administrator
	Kubectl    string            `json:"kubectl"`            // the kubectl of the same version
	LogDir     string            `json:"logDir"`             // a file per component
	AuditLog   string            `json:"auditLog,omitempty"` // with --audit
	NodeName   string            `json:"nodeName,omitempty"` // empty without a node
	NodeIP     string            `json:"nodeIP,omitempty"`
	ServicesIP string            `json:"servicesIP,omitempty"`
	NoNode     string            `json:"noNode,omitempty"` // why there is no node
	Slot       int               `json:"slot"`
	Images     map[string]string `json:"images"` // what pods can run, by short name
	PIDs       map[string]int    `json:"pids"`   // by component
}

// write writes the file atomically, so that a reader needs no retry.
func (d description) write(path string) error {
	data, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		return fmt.Errorf("describe the cluster: %w", err)
	}
	if err := os.WriteFile(path+".tmp", append(data, '\n'), 0o644); err != nil {
		return fmt.Errorf("describe the cluster: %w", err)
	}
	if err := os.Rename(path+".tmp", path); err != nil {
		return fmt.Errorf("describe the cluster: %w", err)
	}
	return nil
}
