package harness

import "syscall"

// sysProcAttr puts a child into a process group of its own, so that Ctrl-C
// reaches only us and we choose the order in which things stop. Our death sends
// it a signal, if that is not 0.
func sysProcAttr(death syscall.Signal) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: death}
}
