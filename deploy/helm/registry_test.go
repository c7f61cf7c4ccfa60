package helm_test

import (
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/kubernetes/pkg/credentialprovider"
	"k8s.io/kubernetes/pkg/credentialprovider/secrets"
)

// TestAgentRegistryCredentials asks the kubelet's own code whether it finds the
// user and the token for the image that the pods run, and for no other.
func TestAgentRegistryCredentials(t *testing.T) {
	const user, token = "gitlab+deploy-token-1", `t:"o\ken/ü`
	for name, test := range map[string]struct {
		args  []string
		image string
		other string
	}{
		"default registry": {nil, "ghcr.io/fairlead-io/fairlead-agent:0.2.0", "registry.example.com/x"},
		"with port": {
			[]string{"--set", "image.registry=registry.example.com:5000"},
			"registry.example.com:5000/fairlead-io/fairlead-agent:1", "registry.example.com/fairlead-io/fairlead-agent:1",
		},
		"as a URL": {
			[]string{"--set", "image.registry=registry.example.com", "--set", "imageCredentials.registry=https://registry.example.com/"},
			"registry.example.com/fairlead-io/fairlead-agent:1", "ghcr.io/x",
		},
		"one project of a registry": {
			[]string{"--set", "image.registry=registry.example.com", "--set", "imageCredentials.registry=registry.example.com/fairlead-io"},
			"registry.example.com/fairlead-io/fairlead-agent:1", "registry.example.com/else/x",
		},
		"Docker Hub": {[]string{"--set", "imageCredentials.registry=docker.io"}, "docker.io/fairlead-io/fairlead-agent:1", "ghcr.io/x"},
		"Docker Hub, as its file has it": {
			[]string{"--set", "imageCredentials.registry=https://index.docker.io/v1/"}, "docker.io/fairlead-io/fairlead-agent:1", "ghcr.io/x",
		},
	} {
		t.Run(name, func(t *testing.T) {
			all := render(t, agentChart, with(append(test.args, "--set", "imageCredentials.username="+user,
				"--set-literal", "imageCredentials.token="+token)...)...)
			secret := get[*corev1.Secret](t, all, agentName+"-pull")
			if secret.Type != corev1.SecretTypeDockerConfigJson {
				t.Errorf("the Secret's type is %s", secret.Type)
			}
			pod := get[*appsv1.Deployment](t, all, agentName).Spec.Template.Spec
			if len(pod.ImagePullSecrets) != 1 || pod.ImagePullSecrets[0].Name != secret.Name {
				t.Errorf("the pods pull with %v", pod.ImagePullSecrets)
			}
			keyring, err := secrets.MakeDockerKeyring([]corev1.Secret{*secret}, &credentialprovider.BasicDockerKeyring{})
			if err != nil {
				t.Fatalf("the kubelet cannot read it: %v", err)
			}
			found, ok := keyring.Lookup(test.image)
			if !ok || found[0].Username != user || found[0].Password != token {
				t.Errorf("for %s the kubelet finds %v", test.image, found)
			}
			if found, ok := keyring.Lookup(test.other); ok {
				t.Errorf("for %s the kubelet finds them too: %v", test.other, found)
			}
		})
	}
}
