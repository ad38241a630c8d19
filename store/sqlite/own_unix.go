//go:build unix

package sqlite

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// own takes the data file at path for this process alone. The kernel gives it back when the process ends,
// however it ends. It locks a file beside the data file: opening and closing the data file itself would drop the
// locks that SQLite holds on it in this process.
func own(path string) (io.Closer, error) {
	name := path + ".lock"
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("cannot make the lock file of the data file: %w; the directory must be writable for this process", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		defer f.Close()
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("cannot lock %s: %w; the file system must support flock", name, err)
		}
		if holder(f) == strconv.Itoa(os.Getpid()) {
			return nil, fmt.Errorf("%w: this process itself (%d) has it open already", ErrInUse, os.Getpid())
		}
		return nil, fmt.Errorf("%w (process %s): stop that one first, or give this one another data file", ErrInUse, holder(f))
	}
	// Who holds it is for people only: a failure to note it is no reason not to start.
	_ = f.Truncate(0)
	_, _ = f.WriteAt(fmt.Appendf(nil, "%d\n", os.Getpid()), 0)
	return f, nil
}

func holder(f *os.File) string {
	b := make([]byte, 32)
	n, _ := f.ReadAt(b, 0)
	return strings.TrimSpace(string(b[:n]))
}
