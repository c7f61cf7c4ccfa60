package helm_test

import (
	"slices"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
)

// TestAgentSettings: the platform may set what settings.accept says, and a level that the
// owner gives is an argument, which counts in any case.
func TestAgentSettings(t *testing.T) {
	for name, test := range map[string]struct {
		args       []string
		want, none []string
	}{
		"default":  {nil, []string{"--settings-accept=labels,logLevel"}, []string{"--log-level=", "--reads-over-http2"}},
		"reads":    {[]string{"--set", "readsOverHTTP2=true"}, []string{"--reads-over-http2"}, nil},
		"nothing":  {[]string{"--set-json", "settings.accept=[]"}, []string{"--settings-accept="}, nil},
		"a level":  {[]string{"--set", "log.level=warn"}, []string{"--log-level=warn", "--settings-accept=labels,logLevel"}, nil},
		"labels":   {[]string{"--set", "labels.env=prod,labels.acme\\.example/tier=a"}, []string{"--labels=acme.example/tier=a", "--labels=env=prod"}, nil},
		"older":    {[]string{"--set-json", "settings=null"}, nil, []string{"--settings-accept="}},
		"restrict": {[]string{"--set", "settings.accept={restrict}"}, []string{"--settings-accept=restrict"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			args := get[*appsv1.Deployment](t, render(t, agentChart, with(test.args...)...), agentName).Spec.Template.Spec.Containers[0].Args
			for _, want := range test.want {
				if !slices.Contains(args, want) {
					t.Errorf("no %s in %q", want, args)
				}
			}
			for _, none := range test.none {
				if slices.Contains(args, none) {
					t.Errorf("%s is in %q", none, args)
				}
			}
		})
	}
}
