package helm_test

import (
	"os"
	"path/filepath"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
)

// TestTags: a commit's abbreviation may consist of digits only. Helm then treats it
// as a number, and in a file as a floating-point number.
func TestTags(t *testing.T) {
	file := func(values string) []string {
		path := filepath.Join(t.TempDir(), "values.yaml")
		if err := os.WriteFile(path, []byte(values), 0o600); err != nil {
			t.Fatal(err)
		}
		return []string{"--values", path}
	}
	for name, test := range map[string]struct {
		args []string
		want string
	}{
		"none":                {nil, "0.2.0"},
		"taken back":          {[]string{"--set", "image.tag=null"}, "0.2.0"},
		"text":                {[]string{"--set", "image.tag=v1.2.3"}, "v1.2.3"},
		"digits":              {[]string{"--set", "image.tag=1234567"}, "1234567"},
		"digits, zero first":  {[]string{"--set", "image.tag=0123456"}, "0123456"},
		"a date":              {file("image: {tag: 20261121100019}"), "20261121100019"},
		"digits in a file":    {file("image: {tag: 1234567}"), "1234567"},
		"digits in quotes":    {file("image: {tag: '0123456'}"), "0123456"},
		"a number's exponent": {[]string{"--set", "image.tag=12345e7"}, "12345e7"},
	} {
		t.Run(name, func(t *testing.T) {
			agents := render(t, agentChart, with(test.args...)...)
			platform := render(t, platformChart, test.args...)
			for binary, containers := range map[string][]corev1.Container{
				"agent":  get[*appsv1.Deployment](t, agents, agentName).Spec.Template.Spec.Containers,
				"broker": get[*appsv1.StatefulSet](t, platform, platformName+"-broker").Spec.Template.Spec.Containers,
				"bridge": get[*appsv1.Deployment](t, platform, platformName+"-bridge").Spec.Template.Spec.Containers,
			} {
				if got, want := containers[0].Image, "ghcr.io/fairlead-io/fairlead-"+binary+":"+test.want; got != want {
					t.Errorf("the %s's image is %s, want %s", binary, got, want)
				}
			}
		})
	}
}

// TestOwnRegistry does what docs/images.md says about images in another registry: a
// registry may have a path, and the names of the images are below it.
func TestOwnRegistry(t *testing.T) {
	agents := render(t, agentChart, with("--set", "image.registry=registry.example.com/fairlead,image.tag=v1.2.3,image.repository=fairlead-agent")...)
	platform := render(t, platformChart, "--set",
		"image.registry=registry.example.com/fairlead,image.tag=v1.2.3,broker.image.repository=fairlead-broker,bridge.image.repository=fairlead-bridge")
	for _, got := range []struct{ image, want string }{
		{get[*appsv1.Deployment](t, agents, agentName).Spec.Template.Spec.Containers[0].Image, "fairlead-agent"},
		{get[*appsv1.StatefulSet](t, platform, platformName+"-broker").Spec.Template.Spec.Containers[0].Image, "fairlead-broker"},
		{get[*appsv1.Deployment](t, platform, platformName+"-bridge").Spec.Template.Spec.Containers[0].Image, "fairlead-bridge"},
	} {
		if want := "registry.example.com/fairlead/" + got.want + ":v1.2.3"; got.image != want {
			t.Errorf("image %s, want %s", got.image, want)
		}
	}
}
