//go:build linux

package nemesis

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/editlock/editlock"
	"github.com/editlock/editlock/internal/history"
	"github.com/editlock/editlock/store/sqlite"
)

// Options say how a run is to be.
type Options struct {
	Program  string        // the server
	Dir      string        // an empty folder, for the data and for what the server says
	Journal  io.Writer     // gets every line of the history
	Progress io.Writer     // gets a line now and then
	For      time.Duration // how long faults happen; longer, where the machine is slow, until there was every kind and enough to judge
	Seed     uint64
	TTL      time.Duration
	Storm    time.Duration // how long the server is struck before it has peace
	Peace    time.Duration // and for how long that lasts; 0: no peace
	Pace     float64       // how long is waited between two faults: 1 is the usual
	Crowds   int           // of four pages, in this process
	Hosts    int           // of three pages, in processes of their own
	Articles int
}

// run is a run.
type run struct {
	Options
	rec     *recorder
	service *service
	cables  []*cable
	hosts   []*host
	faults  atomic.Int64
	struck  atomic.Int64 // faults of the server
	hits    atomic.Int64 // calls that the disk refused or let hang
}

func (r *run) pace(d time.Duration) time.Duration {
	return max(time.Millisecond, time.Duration(float64(d)*r.Pace))
}

// Run lets clients loose on a server, and faults on both, and returns what was seen. It must be called in a process of its
// own, made with its own mounts (see Alone).
func Run(ctx context.Context, o Options) ([]history.Line, error) {
	r := &run{Options: o, rec: newRecorder(o.Journal)}
	defer func() { _ = r.rec.flush() }()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	data := filepath.Join(o.Dir, "data")
	if err := os.Mkdir(data, 0o700); err != nil {
		return nil, err
	}
	if err := mountDisk(data); err != nil {
		return nil, err
	}
	defer unmountDisk(data)
	log, err := os.Create(filepath.Join(o.Dir, "server.log"))
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }()
	addr, err := freeAddress()
	if err != nil {
		return nil, err
	}
	r.service = &service{program: o.Program, dir: data, addr: addr, ttl: o.TTL, say: r.rec.say, disk: &disk{}, log: log}
	r.rec.say(history.Line{Kind: history.Begin, Seed: o.Seed, TTL: int64(o.TTL)})
	clock := make(chan struct{})
	var watch errgroup.Group
	watch.Go(func() error { r.rec.watchClocks(clock); return nil })
	err = r.all(ctx)
	close(clock)
	_ = watch.Wait()
	if cmd, _, _ := r.service.process(); cmd != nil {
		r.service.kill()
	}
	if err != nil {
		return nil, err
	}
	if err := r.entries(ctx, filepath.Join(data, "data.db")); err != nil {
		return nil, err
	}
	return r.rec.lines, nil
}

// all is the run from the first page to the last.
func (r *run) all(ctx context.Context) error {
	if err := r.service.up(ctx); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	application := &http.Server{Handler: &app{say: r.rec.say, rows: map[string]*row{}}, ReadHeaderTimeout: 20 * time.Second}
	go func() { _ = application.Serve(listener) }()
	defer func() { _ = application.Close() }()
	net, unplug := context.WithCancel(ctx)
	defer unplug()
	living, end := context.WithCancel(ctx)
	defer end()
	var pages errgroup.Group
	for i := range r.Crowds + r.Hosts {
		c, err := lay(net, fmt.Sprint("cable ", i), r.service.addr, r.rec.say)
		if err != nil {
			return err
		}
		r.cables = append(r.cables, c)
		g := crowd{Name: fmt.Sprint("g", i), Cable: c.addr, App: "http://" + listener.Addr().String(), Pages: 4, Resources: r.Articles, Seed: r.Seed + 1000*uint64(i)}
		if i < r.Crowds {
			pages.Go(func() error { g.live(living, r.rec.say); return nil })
			continue
		}
		g.Pages = 3
		h := &host{crowd: g, say: r.rec.say}
		if err := h.start(); err != nil {
			return err
		}
		defer func() { h.kill() }()
		r.hosts = append(r.hosts, h)
	}
	if err := r.storm(ctx); err != nil {
		return err
	}
	// All is well from now on. Pages go on for a moment, and then leave without a word.
	r.rec.say(history.Line{Kind: history.Calm})
	if err := pause(ctx, 3*time.Second); err != nil {
		return err
	}
	for _, h := range r.hosts {
		h.kill()
	}
	end()
	if err := pages.Wait(); err != nil {
		return err
	}
	return r.probe(ctx, "http://"+listener.Addr().String())
}

// storm lets all faults happen at the same time.
func (r *run) storm(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, r.For+10*time.Minute)
	defer cancel()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { r.network(ctx); return nil })
	g.Go(func() error { return r.clients(ctx) })
	g.Go(func() error { return r.server(ctx) })
	g.Go(func() error { r.progress(ctx); return nil })
	g.Go(func() error {
		for wait := r.For; pause(ctx, wait) == nil; wait = time.Second {
			if r.struck.Load() >= int64(len(serverFaults)) && r.faults.Load() >= enoughFaults && r.rec.calls.Load() >= enoughRequests {
				cancel()
			}
		}
		return nil
	})
	return g.Wait()
}

// What the shortest run has to have. A run that has less is void.
const (
	enoughFaults   = 30
	enoughRequests = 1000
)

// Least is how much a run of some length has to have of each kind, to show anything.
func Least(d time.Duration) map[string]int {
	least := map[string]int{"faults": enoughFaults, "requests": enoughRequests, "lives of the server": 3, "grants": 40, "grants to one who waited": 10,
		"resumes": 30, "ended released": 20, "ended expired": 1, "places in a queue": 20, "places kept through a break": 10,
		"application: saves ok": 10, "snapshots compared with the history": 500}
	for _, kind := range serverFaults {
		least["fault "+kind] = 1
	}
	hours := d.Hours()
	if hours < 0.5 {
		return least
	}
	for what, n := range map[string]int{"faults": 2000, "requests": 40_000, "grants": 4000, "grants to one who waited": 1500, "resumes": 3000,
		"ended released": 3000, "ended expired": 150, "ended unconfirmed": 150, "ended left": 100, "ended handed_over": 10,
		"requests without an answer": 300, "hand-overs at once": 100, "absent waiters passed over in time": 50, "resumes at the first try": 30,
		"silent holders given up in time": 100, "silent holders given up in time after an outage": 100,
		"reused resume tokens refused": 40, "late confirmations refused": 50, "application: saves refused, of pages that did not look": 20} {
		least[what] = int(float64(n) * hours)
	}
	for _, kinds := range [][]string{networkFaults, clientFaults, serverFaults} {
		for _, kind := range kinds {
			least["fault "+kind] = int(10 * hours)
		}
	}
	return least
}

func (r *run) progress(ctx context.Context) {
	start := time.Now()
	for pause(ctx, max(10*time.Second, r.For/60)) == nil {
		_ = r.rec.flush()
		r.rec.mu.Lock()
		lines := len(r.rec.lines)
		r.rec.mu.Unlock()
		_, _ = fmt.Fprintf(r.Progress, "%v: %d faults (%d calls failed by the disk), %d lines of history\n", time.Since(start).Round(time.Second), r.faults.Load(), r.hits.Load(), lines)
	}
}

// probe has a newcomer ask for every resource, when those who had it are gone: nothing may be stuck.
func (r *run) probe(ctx context.Context, app string) error {
	c, err := lay(ctx, "last cable", r.service.addr, r.rec.say)
	if err != nil {
		return err
	}
	g := crowd{Name: "probe", Cable: c.addr, App: app, Pages: r.Articles, Resources: r.Articles, Seed: r.Seed}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	var all errgroup.Group
	for i, p := range g.pages(r.rec.say) {
		all.Go(func() error {
			resource := fmt.Sprint("article/", i)
			for p.stay(ctx) {
				s, news := p.snap(resource)
				switch s.Mine {
				case "granted":
					p.confirm(ctx, resource, s.Fence)
					continue
				case "held":
					p.load(ctx, resource, s.Fence)
					if p.release(ctx, resource, s.Fence, "").Code == "ok" {
						p.die()
						return nil
					}
					continue
				case "waiting":
					select {
					case <-news:
					case <-ctx.Done():
					}
				default:
					p.acquire(ctx, resource, true, false)
				}
			}
			r.rec.say(history.Line{Kind: history.Stuck, Resource: resource, Client: p.name})
			return nil
		})
	}
	return all.Wait()
}

// entries adds the server's own history, from its data.
func (r *run) entries(ctx context.Context, path string) error {
	st, err := sqlite.Open(path, sqlite.Options{})
	if err != nil {
		return err
	}
	defer func() { _ = st.Close() }()
	m, err := editlock.Open(ctx, st, editlock.Config{TTL: r.TTL})
	if err != nil {
		return err
	}
	defer func() { _ = m.Close() }()
	for i := range r.Articles {
		resource, cursor := fmt.Sprint("article/", i), ""
		for {
			entries, next, err := m.History(ctx, resource, cursor, 500)
			if err != nil {
				return err
			}
			for _, e := range entries {
				c := &history.Change{Rev: e.Revision, At: e.At.UnixMicro()}
				if h := e.Ended; h != nil {
					c.Ended = &history.Side{Session: h.Session, User: h.User, Fence: h.Fence, Reason: string(h.Reason), Over: h.Over.UnixMicro()}
				}
				if h := e.Granted; h != nil {
					c.Granted = &history.Side{Session: h.Session, User: h.User, Fence: h.Fence}
				}
				r.rec.say(history.Line{Kind: history.Entry, Resource: resource, Change: c})
			}
			if cursor = next; len(entries) < 500 {
				break
			}
		}
	}
	return nil
}

// Roles lets a process that Run or Alone started play its part, and does not return then. Call it first in main.
func Roles() {
	var err error
	switch os.Getenv(roleVar) {
	case asServer:
		err = becomeServer(os.Args[1:])
	case asPages:
		err = bePages(os.Args[1])
	default:
		return
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// Alone runs this test program again, with mounts of its own, the same flags of ours and some more. It returns true in that
// process. What that says is said here, line by line.
func Alone(ctx context.Context, more ...string) (bool, error) {
	const alone = "EDITLOCK_NEMESIS_ALONE"
	if os.Getenv(alone) != "" {
		return true, nil
	}
	ours := slices.DeleteFunc(slices.Clone(os.Args[1:]), func(arg string) bool { return strings.HasPrefix(arg, "-test.") })
	cmd := exec.CommandContext(ctx, os.Args[0], append(append(ours, "-test.timeout=0"), more...)...)
	cmd.Env = append(os.Environ(), alone+"=1")
	cmd.SysProcAttr = ownMounts()
	out, in := io.Pipe()
	cmd.Stdout, cmd.Stderr = in, in
	var said sync.WaitGroup
	said.Go(func() {
		lines := bufio.NewScanner(out)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			fmt.Printf("| %s\n", lines.Bytes())
		}
		_, _ = io.Copy(io.Discard, out)
	})
	err := cmd.Run()
	_ = in.Close()
	said.Wait()
	if err != nil {
		err = fmt.Errorf("the run: %w", err)
	}
	return false, err
}
