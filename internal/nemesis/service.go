//go:build linux

package nemesis

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/editlock/editlock/internal/history"
)

const (
	accessSecret  = "pN3vYc8Zq1LxT6wKsB0dRfGhJm4uEo7iAa2lXkVnC5tQyWzHjSbPgDrMe9FU0iO1"
	signingSecret = "Zb7mQx2cVn9aLs4kDj6hGf1pOi8uYt3rEw5qTzXyCvBnMlKjHgFdSaPoIuYtReW0"

	roleVar  = "EDITLOCK_NEMESIS_ROLE" // set in a process that has a part of its own
	asServer = "server"
	asPages  = "pages"
)

// service is `editlock serve` as a process, which is stopped, killed and started again on the same data and address.
type service struct {
	program string
	dir     string
	addr    string
	ttl     time.Duration
	say     func(history.Line)
	disk    *disk
	log     *os.File

	mu      sync.Mutex
	cmd     *exec.Cmd
	done    chan struct{} // closed when the process has ended
	serving chan struct{} // closed when it listens
}

// freeAddress is an address of which nobody else knows.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String(), nil
}

func (s *service) args() []string {
	return []string{s.program, "serve", "--listen=" + s.addr, "--store=sqlite:" + s.dir + "/data.db", "--max-per-address=5000",
		"--ttl=" + s.ttl.String(), "--drain=3s", "--log-format=json"}
}

func environment(role string) []string {
	return []string{"PATH=" + os.Getenv("PATH"), "EDITLOCK_KEY=" + accessSecret, "EDITLOCK_SIGNING_KEY=" + signingSecret, roleVar + "=" + role}
}

// start starts a process. It does not wait until that serves.
func (s *service) start() error {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	ours, theirs := os.NewFile(uintptr(pair[0]), "ours"), os.NewFile(uintptr(pair[1]), "theirs")
	defer func() { _, _ = ours.Close(), theirs.Close() }()
	cmd := exec.Command(os.Args[0], s.args()...)
	cmd.Env = environment(asServer)
	cmd.ExtraFiles = []*os.File{theirs}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return err
	}
	s.say(history.Line{Kind: history.Server, Name: "spawn"})
	if err := cmd.Start(); err != nil {
		return err
	}
	_ = theirs.Close()
	listener, err := listenerOf(ours)
	if err != nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		return fmt.Errorf("the server's process: %w", err)
	}
	go s.disk.watch(listener)
	done, serving := make(chan struct{}), make(chan struct{})
	s.mu.Lock()
	s.cmd, s.done, s.serving = cmd, done, serving
	s.mu.Unlock()
	go func() {
		defer close(done)
		lines := bufio.NewScanner(stderr)
		for lines.Scan() {
			_, _ = fmt.Fprintf(s.log, "%s\n", lines.Bytes())
			var entry struct{ Msg string }
			if json.Unmarshal(lines.Bytes(), &entry) == nil && entry.Msg == "listening" {
				s.say(history.Line{Kind: history.Server, Name: "ready"})
				close(serving)
			}
		}
		err := cmd.Wait()
		s.say(history.Line{Kind: history.Server, Name: "exit", Text: fmt.Sprint(err)})
	}()
	return nil
}

func (s *service) process() (*exec.Cmd, <-chan struct{}, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cmd, s.done, s.serving
}

// up starts the server, as its supervisor would, until it serves.
func (s *service) up(ctx context.Context) error {
	for ctx.Err() == nil {
		_, done, serving := s.process()
		ended := done == nil
		if done != nil {
			select {
			case <-done:
				ended = true
			default:
			}
		}
		if ended {
			if err := s.start(); err != nil {
				return err
			}
			continue
		}
		select {
		case <-serving:
			return nil
		case <-done:
			if err := pause(ctx, 200*time.Millisecond); err != nil {
				return err
			}
		case <-ctx.Done():
		}
	}
	return context.Cause(ctx)
}

// signal sends a signal, if the process is still there.
func (s *service) signal(sig syscall.Signal) {
	cmd, _, _ := s.process()
	name := map[syscall.Signal]string{syscall.SIGKILL: "kill", syscall.SIGTERM: "term", syscall.SIGSTOP: "stop", syscall.SIGCONT: "cont"}[sig]
	s.say(history.Line{Kind: history.Server, Name: name})
	_ = cmd.Process.Signal(sig)
}

// kill is kill -9. It returns when the process is gone.
func (s *service) kill() {
	s.signal(syscall.SIGKILL)
	_, done, _ := s.process()
	<-done
}

// second tries to start another server on the same data, and returns what it said if it was refused.
func (s *service) second(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	args := s.args()
	args[2] = "--listen=127.0.0.1:0"
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Env = environment("")
	out, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		return "", fmt.Errorf("a second server on the same data went on: %s", out)
	}
	if err == nil || !strings.Contains(string(out), "in use") {
		return "", fmt.Errorf("a second server on the same data: %v, it said: %s", err, out)
	}
	return string(out), nil
}
