package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/sig-storage-lib-external-provisioner/v13/controller"
)

// runVolumes gives every claim of a storage class whose provisioner is --name a
// folder of this machine, as a volume of type local. That type, unlike
// hostPath, takes part in fsGroup: the kubelet makes it writable for the pod's
// group as it does with a disk, and for nobody else.
func runVolumes(args []string) error {
	set := flag.NewFlagSet("volume-provisioner", flag.ContinueOnError)
	kubeconfig := set.String("kubeconfig", "", "`file` that names the API server")
	name := set.String("name", "", "`provisioner` that storage classes name")
	dir := set.String("dir", "", "`folder` in which volumes are made")
	listen := set.String("listen", "", "`address` of /healthz")
	if err := set.Parse(args); err != nil {
		return err
	}
	config, err := clientcmd.BuildConfigFromFlags("", *kubeconfig)
	if err != nil {
		return fmt.Errorf("read kubeconfig: %w", err)
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("make client: %w", err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	control := controller.NewProvisionController(ctx, client, *name, folders(*dir),
		controller.LeaderElection(false)) // one of each, so nobody to elect

	health := &http.Server{Addr: *listen, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if !control.HasRun() {
			http.Error(w, "not running yet", http.StatusServiceUnavailable)
		}
	})}
	failed := make(chan error, 1)
	go func() { failed <- health.ListenAndServe() }()
	done := make(chan struct{})
	go func() {
		defer close(done)
		control.Run(ctx)
	}()
	select {
	case err = <-failed:
		stop()
	case <-ctx.Done():
		err = health.Close()
	}
	<-done
	if err != nil {
		return fmt.Errorf("serve health: %w", err)
	}
	return nil
}

// folders provisions below the folder that it names.
type folders string

func (root folders) Provision(_ context.Context, o controller.ProvisionOptions) (*v1.PersistentVolume, controller.ProvisioningState, error) {
	if o.SelectedNodeName == "" {
		return nil, controller.ProvisioningFinished, errors.New("the storage class must wait for the first consumer")
	}
	path := filepath.Join(string(root), o.PVName)
	if err := os.Mkdir(path, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		return nil, controller.ProvisioningFinished, fmt.Errorf("make volume: %w", err)
	}
	return &v1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: o.PVName},
		Spec: v1.PersistentVolumeSpec{
			PersistentVolumeReclaimPolicy: *o.StorageClass.ReclaimPolicy,
			AccessModes:                   o.PVC.Spec.AccessModes,
			Capacity:                      v1.ResourceList{v1.ResourceStorage: o.PVC.Spec.Resources.Requests[v1.ResourceStorage]},
			MountOptions:                  o.StorageClass.MountOptions,
			PersistentVolumeSource:        v1.PersistentVolumeSource{Local: &v1.LocalVolumeSource{Path: path}},
			NodeAffinity: &v1.VolumeNodeAffinity{Required: &v1.NodeSelector{NodeSelectorTerms: []v1.NodeSelectorTerm{{
				MatchExpressions: []v1.NodeSelectorRequirement{{
					Key: v1.LabelHostname, Operator: v1.NodeSelectorOpIn, Values: []string{o.SelectedNodeName},
				}},
			}}}},
		},
	}, controller.ProvisioningFinished, nil
}

func (root folders) Delete(_ context.Context, pv *v1.PersistentVolume) error {
	// The name, not the path: whoever may write volumes must not choose what
	// root deletes here.
	if err := os.RemoveAll(filepath.Join(string(root), filepath.Base(pv.Name))); err != nil {
		return fmt.Errorf("delete volume: %w", err)
	}
	return nil
}
