package bench

import (
	"os"
	"syscall"
)

// syncData waits until the disk has the data of a file whose length does not change.
func syncData(f *os.File) error { return syscall.Fdatasync(int(f.Fd())) }
