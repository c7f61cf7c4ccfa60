package e2e

import (
	"strings"
	"testing"
)

// TestWritesEqualDirect runs one script of writes in two namespaces, one through
// each side, and compares what kubectl prints for each step.
func TestWritesEqualDirect(t *testing.T) {
	play(t, newSpace(t), `
apply -f testdata/app.yaml
get deployment web -o jsonpath={.spec.replicas}
apply -f testdata/app.yaml
apply --server-side -f testdata/app.yaml
apply --server-side --force-conflicts --field-manager=other -f testdata/app-scaled.yaml
apply --server-side --field-manager=third -f testdata/app.yaml
get deployment web -o jsonpath={.spec.replicas}
patch deployment web -p {"spec":{"replicas":1}}
patch deployment web --type=json -p [{"op":"replace","path":"/spec/replicas","value":0}]
patch deployment web --type=merge -p {"metadata":{"annotations":{"a":"ä"}}}
patch deployment web --type=json -p [{"op":"remove","path":"/not/there"}]
label deployment web tier=front
label deployment web tier=back
label deployment web tier=back --overwrite
annotate deployment web note=x
set env deployment/web A=b
scale deployment web --replicas=0
create configmap extra --from-literal=k=v
create configmap extra --from-literal=k=v
replace -f testdata/configmap.yaml
create -f testdata/configmap.yaml
wait --for=create configmap/extra --timeout=30s
wait --for=jsonpath={.data.k}=v configmap/extra --timeout=30s
wait --for=jsonpath={.data.k}=w configmap/extra --timeout=1s
create serviceaccount robot
create role reader --verb=get --resource=pods
create rolebinding robot --role=reader --serviceaccount=default:robot
get configmap extra,one -o jsonpath={.items[*].metadata.name}
delete configmap extra
delete configmap extra
delete configmap extra --ignore-not-found
delete deployment web --cascade=foreground --timeout=60s
delete -f testdata/app.yaml --ignore-not-found
delete configmaps -l none=there
`)
}

// TestRolloutsEqualDirect needs pods that become ready.
func TestRolloutsEqualDirect(t *testing.T) {
	play(t, newNodeSpace(t), `
apply -f testdata/app.yaml
rollout status deployment/web --timeout=90s -w=true
wait --for=condition=Available deployment/web --timeout=60s
set env deployment/web A=b
rollout status deployment/web --timeout=90s
rollout history deployment/web
rollout undo deployment/web
rollout status deployment/web --timeout=90s
rollout restart deployment/web
rollout status deployment/web --timeout=90s
scale deployment web --replicas=0
wait --for=delete pod -l app=web --timeout=60s
delete deployment web
`)
}

// play runs a script, a call a line, on both sides.
func play(t *testing.T, sp *space, script string) {
	t.Parallel()
	direct := &space{suite: sp.suite, t: t, name: sp.name + "-d"}
	direct.MakeNamespace(t, direct.name, nil)
	for line := range strings.Lines(strings.TrimSpace(script)) {
		args := strings.Fields(line)
		want := direct.do(direct.on(sp.direct, args...))
		got := sp.do(sp.on(sp.tunnel, args...))
		// How often a progress line is printed depends on when events arrive.
		if args[0] == "rollout" && args[1] == "status" {
			want.stdout, got.stdout = lastLine(want.stdout), lastLine(got.stdout)
		}
		if args[0] == "wait" && args[1] == "--for=delete" {
			want.stdout, got.stdout = "", "" // names of pods
		}
		for _, s := range []*string{&want.stdout, &want.stderr} {
			*s = strings.ReplaceAll(*s, direct.name, sp.name)
		}
		sp.compare(args, want, got)
	}
}

func lastLine(s string) string {
	s = strings.TrimSpace(s)
	return s[strings.LastIndexByte(s, '\n')+1:]
}
