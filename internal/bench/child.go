package bench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/lxzan/gws"
	"golang.org/x/sync/errgroup"
)

// memory measures a bare server and one of editlock, each in a process of its own, so that neither has what the other left
// behind, with the clients in a third: both ends of a connection count against the files that a process may open.
func memory(ctx context.Context, o Options, dir string) error {
	if o.Child == nil {
		return errors.New("nobody said how to start a child")
	}
	fmt.Fprintf(o.Out, "\nMemory for each idle connection, of %d, KiB of resident set\n", o.Sockets)
	bare, err := growth(ctx, o, "bare", dir)
	if err != nil {
		return err
	}
	locks, err := growth(ctx, o, "locks", dir)
	if err != nil {
		return err
	}
	fmt.Fprintf(o.Out, "%22s %8.1f\n%22s %8.1f\n%22s %8.2f\n", "bare WebSocket library", bare, "editlock session", locks, "ratio", locks/bare)
	return nil
}

// growth returns by how many KiB a server grew for each connection.
func growth(ctx context.Context, o Options, kind, dir string) (float64, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	server, err := startChild(ctx, o, "server", kind, dir)
	if err != nil {
		return 0, err
	}
	defer server.stop()
	address, err := server.line()
	if err != nil {
		return 0, err
	}
	before, err := server.measure()
	if err != nil {
		return 0, err
	}
	clients, err := startChild(ctx, o, "clients", kind, address, strconv.Itoa(o.Sockets))
	if err != nil {
		return 0, err
	}
	defer clients.stop()
	if said, err := clients.line(); err != nil || said != "ready" {
		return 0, fmt.Errorf("the clients said %q: %w", said, err)
	}
	after, err := server.measure()
	if err != nil {
		return 0, err
	}
	return (after - before) / float64(o.Sockets), nil
}

// child is a process of the bench. It ends when its standard input does.
type child struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

func startChild(ctx context.Context, o Options, args ...string) (*child, error) {
	c := &child{cmd: o.Child(ctx, args...)}
	c.cmd.Stderr = os.Stderr
	in, err := c.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	c.in, c.out = in, bufio.NewReader(out)
	return c, c.cmd.Start()
}

func (c *child) stop() {
	_ = c.in.Close()
	_ = c.cmd.Wait()
}

func (c *child) line() (string, error) {
	s, err := c.out.ReadString('\n')
	return strings.TrimSpace(s), err
}

// measure asks the child for its resident set, in KiB.
func (c *child) measure() (float64, error) {
	if _, err := io.WriteString(c.in, "measure\n"); err != nil {
		return 0, err
	}
	s, err := c.line()
	if err != nil {
		return 0, err
	}
	return strconv.ParseFloat(s, 64)
}

// Child is what a child process does, by its arguments.
func Child(ctx context.Context, args ...string) error {
	switch {
	case len(args) == 3 && args[0] == "server":
		return serverChild(ctx, args[1], args[2])
	case len(args) == 4 && args[0] == "clients":
		return clientsChild(ctx, args[1], args[2], args[3])
	}
	return fmt.Errorf("bench: no such child: %q", args)
}

func serverChild(ctx context.Context, kind, dir string) error {
	ends := &ending{}
	defer ends.all()
	var url string
	var err error
	if kind == "bare" {
		url, err = serveBare(ends, new(gws.BuiltinEventHandler))
	} else {
		var s *lockServer
		if s, err = serveLocks(ctx, ends, dir, false); err == nil {
			url = s.url
		}
	}
	if err != nil {
		return err
	}
	fmt.Println(url)
	asked := bufio.NewScanner(os.Stdin)
	for asked.Scan() {
		kib, err := resident()
		if err != nil {
			return err
		}
		fmt.Println(kib)
	}
	return nil
}

// resident is the memory of this process in KiB, after what is not needed was given back.
func resident() (int64, error) {
	runtime.GC()
	debug.FreeOSMemory()
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, fmt.Errorf("measuring memory takes /proc, as Linux has it: %w", err)
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			return strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
		}
	}
	return 0, errors.New("no VmRSS in /proc/self/status")
}

func clientsChild(ctx context.Context, kind, url, number string) error {
	n, err := strconv.Atoi(number)
	if err != nil {
		return err
	}
	ends := &ending{}
	defer ends.all()
	var mu sync.Mutex
	var next, heard atomic.Int64
	group, ctx := errgroup.WithContext(ctx)
	for range 32 {
		group.Go(func() error {
			for {
				i := int(next.Add(1)) - 1
				if i >= n {
					return nil
				}
				p, err := dial(url, &heard)
				if err != nil {
					return fmt.Errorf("connection %d: %w", i+1, err)
				}
				mu.Lock()
				ends.later(p.close)
				mu.Unlock()
				if kind == "bare" {
					continue
				}
				token, err := accessToken(i)
				if err == nil {
					err = p.hello(ctx, token)
				}
				if err != nil {
					return fmt.Errorf("session %d: %w", i+1, err)
				}
			}
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	fmt.Println("ready")
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}
