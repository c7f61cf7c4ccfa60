// Command kubectl is upstream's kubectl, built from the module proxy.
package main

import (
	"k8s.io/component-base/cli"
	"k8s.io/kubectl/pkg/cmd"
	"k8s.io/kubectl/pkg/cmd/util"

	// kubectl logs through klog; the JSON format must be registered to be selectable.
	_ "k8s.io/component-base/logs/json/register"
)

func main() {
	// RunNoErrOutput and CheckErr keep upstream's exit codes and error texts.
	if err := cli.RunNoErrOutput(cmd.NewDefaultKubectlCommand()); err != nil {
		util.CheckErr(err)
	}
}
