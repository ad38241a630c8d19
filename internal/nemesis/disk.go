//go:build linux

package nemesis

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ownMounts lets a process mount, also when we are not root.
func ownMounts() *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	if os.Getuid() != 0 {
		attr.Cloneflags |= syscall.CLONE_NEWUSER
		attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
		attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	return attr
}

const room = 512 << 20

// mountDisk makes dir a disk of its own. The mount goes with the process.
func mountDisk(dir string) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("this needs to mount a small disk; allow mounts, or user namespaces: %w", err)
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d,mode=700", room)); err != nil {
		return fmt.Errorf("this needs to mount a small disk; allow mounts, or user namespaces: %w", err)
	}
	return nil
}

func unmountDisk(dir string) { _ = unix.Unmount(dir, unix.MNT_DETACH) }

// fillDisk leaves room for not one page more; drainDisk makes room again.
func fillDisk(dir string) error {
	var s unix.Statfs_t
	var err error
	for range 20 { // it may have grown in between
		if err = unix.Statfs(dir, &s); err != nil {
			return err
		}
		used := (int64(s.Blocks) - int64(s.Bfree)) * s.Bsize
		if err = unix.Mount("tmpfs", dir, "tmpfs", unix.MS_REMOUNT, fmt.Sprintf("size=%d", used)); err == nil {
			return nil
		}
	}
	return fmt.Errorf("filling the disk: %w", err)
}

func drainDisk(dir string) error {
	return unix.Mount("tmpfs", dir, "tmpfs", unix.MS_REMOUNT, fmt.Sprintf("size=%d", room))
}

// act is what becomes of a write or a sync.
type act struct {
	errno unix.Errno
	sync  bool // of syncs only
	hang  bool
}

// disk is asked by the kernel about every write and sync of the server's data files.
type disk struct {
	mu   sync.Mutex
	plan *act          // nil: all goes well
	heal chan struct{} // closed when the plan ends
	hits int
}

func (d *disk) fail(a act) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.plan, d.heal, d.hits = &a, make(chan struct{}), 0
}

// mend ends what was failing, and returns how many calls it hit.
func (d *disk) mend() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.plan != nil {
		d.plan = nil
		close(d.heal)
	}
	return d.hits
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

// watch answers the kernel until the process is gone.
func (d *disk) watch(listener int) {
	defer func() { _ = unix.Close(listener) }()
	for {
		fds := []unix.PollFd{{Fd: int32(listener), Events: unix.POLLIN}}
		if _, err := unix.Poll(fds, -1); err == unix.EINTR {
			continue
		} else if err != nil || fds[0].Revents&unix.POLLIN == 0 {
			return
		}
		var n notification
		if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(listener), unix.SECCOMP_IOCTL_NOTIF_RECV, uintptr(unsafe.Pointer(&n))); errno != 0 {
			continue
		}
		d.mu.Lock()
		plan, heal := d.plan, d.heal
		d.mu.Unlock()
		r := response{id: n.id, flags: unix.SECCOMP_USER_NOTIF_FLAG_CONTINUE}
		if plan == nil || !d.concerns(plan, &n) {
			reply(listener, r)
			continue
		}
		if plan.hang {
			go func() {
				<-heal
				reply(listener, r)
			}()
			continue
		}
		reply(listener, response{id: n.id, error: -int32(plan.errno)})
	}
}

func (d *disk) concerns(plan *act, n *notification) bool {
	link, _ := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", n.pid, n.args[0]))
	isSync := n.nr == unix.SYS_FSYNC || n.nr == unix.SYS_FDATASYNC
	if !strings.HasPrefix(filepath.Base(link), "data.db") || plan.sync != isSync {
		return false
	}
	d.mu.Lock()
	d.hits++
	d.mu.Unlock()
	return true
}

func reply(listener int, r response) {
	_, _, _ = unix.Syscall(unix.SYS_IOCTL, uintptr(listener), unix.SECCOMP_IOCTL_NOTIF_SEND, uintptr(unsafe.Pointer(&r)))
}

// becomeServer turns this process into the server, whose writes and syncs are asked about on the socket that is file 3.
func becomeServer(args []string) error {
	runtime.LockOSThread()
	calls := []uint32{unix.SYS_PWRITE64, unix.SYS_FSYNC, unix.SYS_FDATASYNC}
	filter := []unix.SockFilter{{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS}} // the number of the call
	for i, nr := range calls {
		filter = append(filter, unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jt: uint8(len(calls) - i), K: nr})
	}
	filter = append(filter,
		unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
		unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_USER_NOTIF})
	prog := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	fd, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_NEW_LISTENER, uintptr(unsafe.Pointer(&prog)))
	if errno != 0 {
		return fmt.Errorf("this needs seccomp with user notification (Linux 5.7): %w", errno)
	}
	if err := unix.Sendmsg(3, []byte{0}, unix.UnixRights(int(fd)), nil, 0); err != nil {
		return err
	}
	_ = unix.Close(int(fd))
	_ = unix.Close(3)
	return syscall.Exec(args[0], args, os.Environ())
}

// listenerOf receives the file on which the kernel asks.
func listenerOf(f *os.File) (int, error) {
	c, err := net.FileConn(f)
	if err != nil {
		return 0, err
	}
	defer func() { _ = c.Close() }()
	oob := make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := c.(*net.UnixConn).ReadMsgUnix(make([]byte, 1), oob)
	if err != nil {
		return 0, err
	}
	messages, err := unix.ParseSocketControlMessage(oob[:n])
	if err != nil {
		return 0, err
	}
	if len(messages) == 0 {
		return 0, fmt.Errorf("the server's process sent no file")
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil {
		return 0, err
	}
	return fds[0], nil
}
