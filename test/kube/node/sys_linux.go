package node

import "syscall"

// overlayMagic is the type of an overlay file system, as statfs tells it.
const overlayMagic = 0x794c7630

// snapshotter is overlayfs, unless the machine is a container itself: an
// overlay cannot lie on an overlay.
func snapshotter(p places) string {
	var fs syscall.Statfs_t
	if err := syscall.Statfs(p.lib(), &fs); err == nil && fs.Type == overlayMagic {
		return "native"
	}
	return "overlayfs"
}

// detach unmounts at once for everyone who looks, and for good when the last
// user is gone. A place where nothing is mounted any more is no error.
func detach(path string) error {
	if err := syscall.Unmount(path, syscall.MNT_DETACH); err != syscall.EINVAL {
		return err
	}
	return nil
}
