// Package demo is "Try to get it stuck": the usual edit lock and editlock side by side, with buttons that do to
// both, for real, what happens to such locks in practice.
//
// Run is a supervisor. It runs the two servers as child processes, which it can kill; it stands between them and
// the visitor's browser with relays, which it can cut; and it is the referee, which compares what the two databases say
// with what the pages believe.
package demo

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"
)

// ChildCommand is the hidden sub-command under which Run starts its own program again; it has to end in [Child].
const ChildCommand = "demo-child"

// childEnv is set in the environment of a child.
const childEnv = "EDITLOCK_DEMO_CHILD"

// What it is set to.
const (
	quietChild   = "quiet"
	verboseChild = "verbose"
)

// Options of Run. The zero value works.
type Options struct {
	// Addr is where the demo listens: host:port. The four panes get the next four ports where these are free, and
	// others where not. Empty means 127.0.0.1:8080. Do not offer it to strangers: everybody who can reach it can be anybody.
	Addr string
	// Dir keeps the databases. Empty means a new directory that is removed at the end.
	Dir string
	// TTL of editlock's leases. 0 means 10 s, the least that there is, so that nobody waits long.
	TTL time.Duration
	// Pause between the end of a server and its new start. 0 means 1 s.
	Pause time.Duration
	// Ready is called once, with the address to open, when both servers answer. It may be nil.
	Ready func(url string)
	// Log may be nil.
	Log *slog.Logger
	// Verbose has the servers log on standard error what they do; else the usual one is silent, and editlock's warns.
	Verbose bool
}

// people are the two in the panes.
var people = []string{"Ana", "Ben"}

// The usual design's ping and timeout, 20 s and 30 s as common servers have them, are shortened as the TTL is: by three.
const (
	usualPing = 20 * time.Second / 3
	usualPong = 30 * time.Second / 3
)

// Run runs the demo until ctx is done. It returns when all that it started has ended. The program that calls it
// must pass the arguments after [ChildCommand] to [Child].
func Run(ctx context.Context, o Options) error {
	if o.Addr == "" {
		o.Addr = "127.0.0.1:8080"
	}
	if o.TTL == 0 {
		o.TTL = 10 * time.Second
	}
	if o.Pause == 0 {
		o.Pause = time.Second
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Dir == "" {
		dir, err := os.MkdirTemp("", "editlock-demo-")
		if err != nil {
			return err
		}
		defer func() { _ = os.RemoveAll(dir) }()
		o.Dir = dir
	}
	listener, err := net.Listen("tcp", o.Addr)
	if err != nil {
		return fmt.Errorf("--listen %s: %w; choose another address", o.Addr, err)
	}
	s, err := newSupervisor(o, listener.Addr())
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	return s.run(ctx, listener)
}

// supervisor is the demo while it runs.
type supervisor struct {
	o       Options
	servers map[string]*process         // by side
	links   map[string]map[string]*link // by side and person
	referee *referee
}

func newSupervisor(o Options, at net.Addr) (*supervisor, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	s := &supervisor{o: o, servers: map[string]*process{}, links: map[string]map[string]*link{}}
	s.referee = newReferee(o, s)
	host, port, err := net.SplitHostPort(at.String())
	if err != nil {
		return nil, err
	}
	next, err := strconv.Atoi(port)
	if err != nil {
		return nil, err
	}
	for _, side := range []string{usualSide, editlockSide} {
		p := &process{
			kind: side, pause: o.Pause, log: o.Log, verbose: o.Verbose, changed: s.referee.poke,
			command: []string{program, ChildCommand, side, filepath.Join(o.Dir, side), o.TTL.String()},
		}
		s.servers[side], s.links[side] = p, map[string]*link{}
		for _, person := range people {
			next++
			listener, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(next)))
			if err != nil {
				listener, err = net.Listen("tcp", net.JoinHostPort(host, "0"))
			}
			if err != nil {
				s.close()
				return nil, err
			}
			s.links[side][person] = newLink(listener, p.address)
		}
	}
	return s, nil
}

func (s *supervisor) close() {
	for _, links := range s.links {
		for _, l := range links {
			_ = l.listener.Close()
		}
	}
}

func (s *supervisor) run(ctx context.Context, listener net.Listener) error {
	ctx, giveUp := context.WithCancelCause(ctx)
	var group sync.WaitGroup
	defer group.Wait()
	defer giveUp(nil)
	for side, p := range s.servers {
		group.Go(func() {
			if err := p.run(ctx); err != nil {
				giveUp(err)
			}
		})
		for _, l := range s.links[side] {
			group.Go(func() { l.serve(ctx) })
		}
	}
	group.Go(func() { s.referee.run(ctx) })
	web := &http.Server{
		Handler: s.handler(), ReadHeaderTimeout: 10 * time.Second,
		BaseContext: func(net.Listener) context.Context { return ctx },
	}
	stop := context.AfterFunc(ctx, func() { _ = web.Close() })
	defer stop()
	if s.o.Ready != nil {
		group.Go(func() {
			select {
			case <-s.referee.ready:
				s.o.Ready(urlOf(listener.Addr()))
			case <-ctx.Done():
			}
		})
	}
	if err := web.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
		return err // a server that does not start
	}
	return nil
}

// urlOf is what a browser on this machine opens to reach a listener.
func urlOf(addr net.Addr) string {
	host := addr.String()
	if tcp, ok := addr.(*net.TCPAddr); ok && tcp.IP.IsUnspecified() {
		host = net.JoinHostPort("localhost", strconv.Itoa(tcp.Port))
	}
	return "http://" + host + "/"
}
