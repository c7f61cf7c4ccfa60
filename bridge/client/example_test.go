package client_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/bridge/client"
	"github.com/fairlead-io/fairlead/bridge/client/kube"
)

// connect makes the client of the examples.
func connect() *client.Client {
	c, err := client.New("https://fairlead.example.com", client.Options{Token: client.TokenFile("/var/run/secrets/fairlead/token")})
	if err != nil {
		log.Fatal(err)
	}
	return c
}

func ExampleClient_Clusters() {
	c := connect()
	list, err := c.Clusters(context.Background(), client.ClusterFilter{Tenant: "acme"})
	if err != nil {
		log.Fatal(err)
	}
	for _, cluster := range list.Clusters {
		fmt.Println(cluster.Name, cluster.State)
	}
}

func ExampleClient_EachCluster() {
	c := connect()
	for cluster, err := range c.EachCluster(context.Background(), client.ClusterFilter{LabelSelector: "env=prod,!legacy", State: "online"}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(cluster.Name, cluster.Labels["region"])
	}
}

func ExampleClient_Call() {
	c := connect()
	result, err := c.Call(context.Background(), "prod.acme", api.Call{
		Method:  http.MethodPatch,
		Path:    "/api/v1/namespaces/shop/configmaps/web",
		Headers: map[string]api.Values{"Content-Type": {"application/merge-patch+json"}},
		Body:    []byte(`{"data":{"color":"blue"}}`),
	})
	switch {
	case errors.Is(err, client.ErrClusterOffline):
		fmt.Println("not now")
	case err != nil:
		log.Fatal(err)
	default:
		fmt.Println(result.Status) // the API server's
	}
}

func ExampleClient_CallStream() {
	c := connect()
	const target = "/api/v1/namespaces/shop/pods/web/log?follow=true"
	for line, err := range c.CallStream(context.Background(), "prod.acme", api.Call{Path: target}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Print(line.Body)
	}
}

func ExampleClient_Transport() {
	c := connect()
	h := http.Client{Transport: c.Transport("prod.acme")}
	res, err := h.Get("https://kubernetes/readyz") // any host: the transport knows the cluster
	if err != nil {
		log.Fatal(err)
	}
	defer res.Body.Close()
	fmt.Println(res.Status)
}

// A configuration for client-go is in package kube.
func Example_kubernetes() {
	config, err := kube.RESTConfig(connect(), "prod.acme")
	if err != nil {
		log.Fatal(err)
	}
	set, err := kubernetes.NewForConfig(config)
	if err != nil {
		log.Fatal(err)
	}
	pods, err := set.CoreV1().Pods("shop").List(context.Background(), metav1.ListOptions{})
	if err != nil {
		log.Fatal(err)
	}
	for _, pod := range pods.Items {
		fmt.Println(pod.Name)
	}
}

func ExampleClient_PutPullSecret() {
	c := connect()
	report, err := c.PutPullSecret(context.Background(), "prod.acme", "shop", "registry", api.PullSecret{
		RegistryLogin:   api.RegistryLogin{Registry: "registry.example.com", Username: "shop", Token: "..."},
		ServiceAccounts: []string{"default"},
	}, client.PullSecretOptions{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(report.WellFormed)
}

func ExampleClient_PutSettings() {
	c := connect()
	hour := time.Now().Add(time.Hour)
	s, err := c.PutSettings(context.Background(), "prod.acme", api.AgentSettings{
		Labels:   map[string]string{"env": "prod"},
		LogLevel: &api.AgentLogLevel{Level: "debug", Until: &hour},
	}, "")
	if err != nil {
		log.Fatal(err)
	}
	for _, instance := range s.Instances {
		fmt.Println(instance.Name, instance.State, instance.Overridden)
	}
}

func ExampleClient_FleetCall() {
	c := connect()
	call := api.FleetCall{Clusters: []string{"prod.acme", "dev.acme"}, Call: api.Call{Path: "/version"}}
	for line, err := range c.FleetCall(context.Background(), call) {
		switch {
		case err != nil:
			log.Fatal(err) // the response broke: nothing is known of the clusters that had no line
		case line.Summary != nil:
			fmt.Println(line.Summary.Total, "clusters, failed:", line.Summary.Failed)
		case line.Problem != nil:
			fmt.Println(line.Cluster, line.Problem.Detail)
		default:
			fmt.Println(line.Cluster, line.Status)
		}
	}
}

func ExampleClient_Apply() {
	c := connect()
	objects, err := os.ReadFile("shop.yaml")
	if err != nil {
		log.Fatal(err)
	}
	for line, err := range c.Apply(context.Background(), "prod.acme", objects, client.ApplyOptions{FieldManager: "shop-ci"}) {
		switch {
		case err != nil:
			log.Fatal(err)
		case line.Summary != nil:
			fmt.Println("failed:", line.Summary.Failed)
		case line.Result.Problem != nil:
			fmt.Println(line.Result.Object.Name, line.Result.Problem.Detail)
		default:
			fmt.Println(line.Result.Object.Name, line.Result.Action)
		}
	}
}

func ExampleClient_PutPullSecrets() {
	c := connect()
	secret := api.FleetPullSecret{
		Clusters: []string{"prod.acme", "lab.acme"}, Namespaces: []string{"shop"},
		PullSecret: api.PullSecret{
			RegistryLogin:   api.RegistryLogin{Registry: "registry.example.com", Username: "robot", Token: api.Secret(os.Getenv("REGISTRY_TOKEN"))},
			ServiceAccounts: []string{"default"},
		},
	}
	for line, err := range c.PutPullSecrets(context.Background(), "registries", secret, client.PullSecretOptions{}) {
		switch {
		case err != nil:
			log.Fatal(err)
		case line.Summary != nil:
			fmt.Println("failed:", line.Summary.Failed)
		case line.Problem != nil:
			fmt.Println(line.Cluster, line.Problem.Detail)
		}
	}
}

func ExampleClient_Events() {
	c := connect()
	filter := client.EventFilter{
		After: "oldest", // or the ID of the last event that was handled, from where it is kept
		Types: []string{"cluster.*"},
	}
	for event, err := range c.Events(context.Background(), filter) {
		switch {
		case errors.Is(err, client.ErrEventsLost):
			fmt.Println("read the list of clusters again") // events before the next are no longer kept
		case err != nil:
			log.Fatal(err)
		default:
			fmt.Println(event.Time, event.Name, event.Type, event.Cause)
		}
	}
}

// An object is applied as soon as the cluster is online, however long that takes.
func ExampleClient_QueueOperation() {
	c, ctx := connect(), context.Background()
	const commit = "3b0c4372b7"
	o, err := c.QueueOperation(ctx, "prod.acme", "settings-"+commit, api.OperationSpec{
		Kind:         api.OperationApply,
		Path:         "/api/v1/namespaces/shop/configmaps/settings",
		FieldManager: "ci",
		Body:         []byte(`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"settings"},"data":{"color":"blue"}}`),
		TTL:          "12h",
	})
	switch {
	case errors.Is(err, client.ErrQueueFull):
		fmt.Println("too much waits for the cluster")
		return
	case err != nil:
		log.Fatal(err) // the same key again does no harm
	}
	if o, err = c.AwaitOperation(ctx, "prod.acme", o.ID); err != nil {
		log.Fatal(err)
	}
	switch o.State {
	case api.OperationSucceeded:
		fmt.Println("applied as version", o.Result.ResourceVersion)
	case api.OperationFailed:
		fmt.Println("refused:", o.Result, o.Problem)
	default: // expired, canceled, unknown
		fmt.Println(o.State)
	}
}

func ExampleClient_EachOperation() {
	c := connect()
	unknown := client.OperationFilter{States: []api.OperationState{api.OperationUnknown}}
	for o, err := range c.EachOperation(context.Background(), "prod.acme", unknown) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(o.ID, o.Kind, o.Path)
	}
}

func ExampleClient_Watch() {
	c := connect()
	all := ""
	for line, err := range c.Watch(context.Background(), client.WatchOptions{Path: "/api/v1/pods", Selector: &all}) {
		switch {
		case err != nil:
			log.Fatal(err)
		case line.Event != nil:
			fmt.Println(line.Cluster, line.Event.Type, string(line.Event.Object))
		case line.State == api.WatchReset:
			fmt.Println(line.Cluster, "forget what was told of it")
		case line.Problem != nil:
			fmt.Println(line.Cluster, line.State, line.Problem.Detail)
		}
	}
}
