package harness

import "syscall"

// sysProcAttr puts a child into a process group of its own, so that Ctrl-C
// reaches only us and we choose the order in which things stop.
func sysProcAttr(stopsItself bool) *syscall.SysProcAttr {
	a := &syscall.SysProcAttr{Setpgid: true}
	if !stopsItself {
		a.Pdeathsig = syscall.SIGKILL
	}
	return a
}
