package sqlite

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// alone runs the test again in a process of its own, for what cannot be undone in a process, and reports its
// failure. It returns true in that process.
func alone(t *testing.T, attr *syscall.SysProcAttr) bool {
	t.Helper()
	if os.Getenv(roleVar) == t.Name() {
		return true
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), roleVar+"="+t.Name())
	cmd.SysProcAttr = attr
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return false
}

// ownMounts lets a process mount, also when we are not root.
func ownMounts() *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	if os.Getuid() != 0 {
		attr.Cloneflags |= syscall.CLONE_NEWUSER
		attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
		attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	return attr
}

// smallDisk is a disk of its own with so many bytes. The mount goes with the process.
func smallDisk(t *testing.T, size int) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		t.Fatalf("this test needs to mount a small disk; allow mounts, or user namespaces: %v", err)
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d,mode=700", size)); err != nil {
		t.Fatalf("this test needs to mount a small disk; allow mounts, or user namespaces: %v", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	return dir
}

// act says what becomes of a system call on a file.
type act int

const (
	pass   act = iota
	eio        // fails with EIO
	enospc     // fails with ENOSPC
	hang       // does not return before let is called
)

// disk stands between this process and its disk: the kernel asks it about every call that it watches.
type disk struct {
	listener int

	mu   sync.Mutex
	plan func(file string) act // file: the base name
	note func(n notification)  // is told of every call before it is made; nil: nobody
	n    map[string]int        // calls so far, by file
	held chan struct{}         // a call that hangs sends here
	open chan struct{}         // closed by let
}

// watchDisk intercepts system calls that have a file as their first argument, in this whole process and for good.
//
// It never asks about what the runtime of Go writes to wake its poller, or about a panic. The runtime does so without letting go of its
// processor. Were the other one waiting for that thread, as the garbage collector does, nobody would be left to answer.
func watchDisk(t *testing.T, calls ...uint32) *disk {
	t.Helper()
	own := ownFiles(t)
	filter := []unix.SockFilter{{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS}} // the number of the call
	for i, nr := range calls {
		filter = append(filter, unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jt: uint8(len(calls) - i), K: nr})
	}
	filter = append(filter,
		unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
		unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jf: uint8(len(own) + 1), K: unix.SYS_WRITE},
		unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 16}) // the lower half of its first argument
	for i, fd := range own {
		filter = append(filter, unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jt: uint8(len(own) - i), K: fd})
	}
	filter = append(filter,
		unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_USER_NOTIF},
		unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW})
	prog := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		t.Fatal(err)
	}
	// A call that we have heard of is not begun again because of a signal, or it would be noted twice, and out of order.
	const flags = unix.SECCOMP_FILTER_FLAG_NEW_LISTENER | unix.SECCOMP_FILTER_FLAG_TSYNC | unix.SECCOMP_FILTER_FLAG_TSYNC_ESRCH |
		unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
	fd, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, flags, uintptr(unsafe.Pointer(&prog)))
	if errno != 0 {
		t.Fatalf("this test needs seccomp with user notification (Linux 5.19): %v", errno)
	}
	d := &disk{listener: int(fd), n: map[string]int{}, held: make(chan struct{}, 100), open: make(chan struct{})}
	d.set(func(string) act { return pass })
	go d.serve()
	return d
}

// ownFiles are those that the runtime of Go itself writes to: the standard ones, and the one that wakes its poller.
func ownFiles(t *testing.T) []uint32 {
	t.Helper()
	const dir = "/proc/self/fd" // opening it makes the poller, if there was none
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	own := []uint32{0, 1, 2}
	for _, e := range entries {
		link, _ := os.Readlink(filepath.Join(dir, e.Name())) // gone: that of the directory
		if fd, err := strconv.ParseUint(e.Name(), 10, 32); err == nil && link == "anon_inode:[eventfd]" {
			own = append(own, uint32(fd))
		}
	}
	if len(own) == 3 {
		t.Fatal("the runtime of Go has no eventfd: how it wakes its poller has changed, and with it what must not be intercepted")
	}
	return own
}

func (d *disk) set(plan func(file string) act) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.plan = plan
}

// let lets all calls through that hang, and later ones too.
func (d *disk) let() {
	d.set(func(string) act { return pass })
	close(d.open)
}

func (d *disk) count(file string) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.n[file]
}

// The layout of struct seccomp_notif and struct seccomp_notif_resp of the kernel.
type notification struct {
	id         uint64
	pid, flags uint32
	nr, arch   uint32
	ip         uint64
	args       [6]uint64
}

type response struct {
	id           uint64
	val          int64
	error, flags int32
}

func (d *disk) serve() {
	for {
		var n notification
		if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(d.listener), unix.SECCOMP_IOCTL_NOTIF_RECV, uintptr(unsafe.Pointer(&n))); errno != 0 {
			if errno == unix.EINTR || errno == unix.ENOENT {
				continue
			}
			return
		}
		go d.answer(n)
	}
}

func (d *disk) answer(n notification) {
	d.mu.Lock()
	note := d.note
	d.mu.Unlock()
	if note != nil {
		note(n)
	}
	link, _ := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", n.args[0]))
	file := filepath.Base(link)
	d.mu.Lock()
	d.n[file]++
	what := d.plan(file)
	d.mu.Unlock()
	r := response{id: n.id}
	switch what {
	case eio:
		r.error = -int32(unix.EIO)
	case enospc:
		r.error = -int32(unix.ENOSPC)
	case hang:
		d.held <- struct{}{}
		<-d.open
		r.flags = unix.SECCOMP_USER_NOTIF_FLAG_CONTINUE
	default:
		r.flags = unix.SECCOMP_USER_NOTIF_FLAG_CONTINUE
	}
	_, _, _ = unix.Syscall(unix.SYS_IOCTL, uintptr(d.listener), unix.SECCOMP_IOCTL_NOTIF_SEND, uintptr(unsafe.Pointer(&r)))
}
