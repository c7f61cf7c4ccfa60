package node

import "syscall"

// overlayMagic is the type of an overlay file system in the answer of statfs.
const overlayMagic = 0x794c7630

// snapshotter is overlayfs, unless the machine is itself a container: an overlay
// cannot be on top of an overlay.
func snapshotter(p places) string {
	var fs syscall.Statfs_t
	if err := syscall.Statfs(p.lib(), &fs); err == nil && fs.Type == overlayMagic {
		return "native"
	}
	return "overlayfs"
}

// detach makes a mount invisible at once, and unmounts it when its last user is gone.
// It is not an error if nothing is mounted there.
func detach(path string) error {
	if err := syscall.Unmount(path, syscall.MNT_DETACH); err != syscall.EINVAL {
		return err
	}
	return nil
}
