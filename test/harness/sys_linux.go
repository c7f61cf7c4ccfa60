package harness

import "syscall"

// sysProcAttr puts a child into its own process group, so that Ctrl-C reaches only
// us and we choose the order in which things stop. When we die the child gets the
// signal, unless that is 0.
func sysProcAttr(death syscall.Signal) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: death}
}
