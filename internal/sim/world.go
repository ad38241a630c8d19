// Package sim is a small world in which the whole of editlock runs in virtual time: the rules, Managers on several nodes, a
// store, pages with their clocks, and the network between them; with crashes, pauses, cut links, late, lost, doubled and
// reordered messages, a store that is slow, away, or does not say what it did, and laptops that sleep. A judge sees every record
// that is written and every message that is sent, and knows what each page does and believes.
//
// One seed decides everything, down to the order in which goroutines run, when the tests of this package are built as scripts/simulate builds
// them: so a world that went wrong goes wrong again.
package sim

import (
	"context"
	"fmt"
	"hash"
	"hash/fnv"
	"io"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/editlock/editlock"
	"github.com/editlock/editlock/lease"
)

// Config says which world it is to be.
type Config struct {
	Seed   uint64
	Length time.Duration // virtual
	Shared bool          // several nodes at once on the store, as otherwise in three worlds of ten
	Trace  io.Writer     // gets a line for everything that happens; may be nil
}

// Result is what became of a world.
type Result struct {
	Violations []string
	Sum        uint64 // of all that happened: equal for two runs that were alike in everything
	Lived      time.Duration
	Count      Count
}

// Count is what a world had in it.
type Count struct {
	Shared, Commits, Grants, Waited, Confirms, Saves, Refused, Lapses, Expired, Left, Unconfirmed, Moved, Forced int
	Resumes, Acks, Snapshots                                                                                     int
	Kills, Stops, Pauses, Outages, Unknown, Cuts, Sleeps, Crashes, Reloads, Copies                               int
	Jumps, StoreJumps, Skewed, Returns                                                                           int
}

// Add adds what another world had.
func (c *Count) Add(o Count) {
	for p, q := range c.pairs(&o) {
		*p += *q
	}
}

func (c *Count) list() []*int {
	return []*int{
		&c.Shared, &c.Commits, &c.Grants, &c.Waited, &c.Confirms, &c.Saves, &c.Refused, &c.Lapses, &c.Expired, &c.Left, &c.Unconfirmed, &c.Moved, &c.Forced,
		&c.Resumes, &c.Acks, &c.Snapshots, &c.Kills, &c.Stops, &c.Pauses, &c.Outages, &c.Unknown, &c.Cuts, &c.Sleeps, &c.Crashes, &c.Reloads, &c.Copies,
		&c.Jumps, &c.StoreJumps, &c.Skewed, &c.Returns,
	}
}

func (c *Count) pairs(o *Count) func(yield func(p, q *int) bool) {
	return func(yield func(p, q *int) bool) {
		theirs := o.list()
		for i, p := range c.list() {
			if !yield(p, theirs[i]) {
				return
			}
		}
	}
}

// world is one run. Everything in it is guarded by mu but what says otherwise: the Managers have goroutines of their own.
type world struct {
	cfg   Config
	began time.Time
	ctx   context.Context

	mu     sync.Mutex
	rng    *rand.Rand
	sum    hash.Hash64
	style  style
	count  Count
	disk   *disk
	judge  *judge
	app    *app
	hosts  []*host
	pages  []*page
	born   []*process // all that were ever started
	timers []*time.Timer
	idle   []*event // for what is to come
	calm   bool     // no fault is made now, but by pages that leave without a word
	done   bool
}

// style is what kind of world it is: most have a few kinds of faults only, and those often.
type style struct {
	ttl       time.Duration
	hosts     int
	shared    bool // several processes may have the disk at once
	pages     int
	resources int
	users     int // fewer than pages: some have two tabs

	delay   time.Duration // of a message, mean
	disk    time.Duration // of a write, mean
	reorder float64       // share of messages that may overtake others of their connection
	double  float64       // share of requests that arrive twice

	faults []fault
	every  time.Duration // mean time between two faults
	storm  time.Duration // with faults
	calm   time.Duration // and then without

	hold, idle time.Duration // means of what pages do
	rude       float64       // share of pages that leave without a word
	hidden     float64       // share of grants that nobody is there to confirm
}

// Run lives through a world. It must be called in a bubble of testing/synctest.
func Run(cfg Config) Result {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	w := &world{cfg: cfg, began: time.Now(), ctx: ctx, rng: rand.New(rand.NewPCG(cfg.Seed, 1)), sum: fnv.New64a()}
	w.style = w.drawStyle()
	if w.style.shared {
		w.count.Shared = 1
	}
	w.judge = newJudge(w)
	w.app = &app{w: w, rows: map[string]*row{}}
	w.disk = newDisk(w)
	for i := range w.style.hosts {
		w.hosts = append(w.hosts, &host{w: w, name: fmt.Sprintf("host%d", i)})
	}
	for i := range w.style.pages {
		w.pages = append(w.pages, newPage(w, i))
	}
	w.say("world", "%+v", w.style)
	for _, h := range w.hosts {
		h.start()
	}
	for _, p := range w.pages {
		go p.live()
	}
	end := w.began.Add(cfg.Length)
	for time.Now().Before(end) && len(w.judge.broken()) == 0 {
		w.rage(end)
		if len(w.judge.broken()) == 0 {
			w.settle()
		}
	}
	w.mu.Lock()
	w.done = true
	w.mu.Unlock()
	cancel()
	for _, p := range w.born {
		p.kill()
	}
	for _, p := range w.pages {
		<-p.ended
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return Result{Violations: w.judge.violations, Sum: w.sum.Sum64(), Lived: time.Since(w.began), Count: w.count}
}

// managerConfig is that of every node.
func (w *world) managerConfig(name string) editlock.Config {
	// Also without a trace: to look at a world must not change it.
	log := slog.NewTextHandler(&logLines{w, name}, &slog.HandlerOptions{Level: slog.LevelInfo, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}})
	return editlock.Config{TTL: w.style.ttl, MaxSessions: 10_000, Logger: slog.New(log), Rules: lease.Default()}
}

type logLines struct {
	w    *world
	name string
}

func (l *logLines) Write(p []byte) (int, error) {
	l.w.mu.Lock()
	defer l.w.mu.Unlock()
	l.w.sayLocked(l.name, "log: %s", strings.TrimSpace(string(p)))
	return len(p), nil
}

// say notes what happens.
func (w *world) say(who, format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sayLocked(who, format, args...)
}

func (w *world) sayLocked(who, format string, args ...any) {
	at := time.Since(w.began)
	if w.cfg.Trace != nil {
		fmt.Fprintf(w.cfg.Trace, "%14.6f  %-8s %s\n", at.Seconds(), who, fmt.Sprintf(format, args...))
	}
	var b [8]byte
	for i := range b {
		b[i] = byte(at >> (8 * i))
	}
	w.sum.Write(b[:])
	io.WriteString(w.sum, who)
	io.WriteString(w.sum, format)
}

// chance draws whether something happens. mu is held, as for the others that draw.
func (w *world) chance(p float64) bool { return p > 0 && w.rng.Float64() < p }

// about draws a time with that mean, at most ten times as long.
func (w *world) about(mean time.Duration) time.Duration {
	return min(time.Duration(w.rng.ExpFloat64()*float64(mean)), 10*mean)
}

// between draws a time from a range.
func (w *world) between(a, b time.Duration) time.Duration {
	return a + time.Duration(w.rng.Int64N(int64(b-a)+1))
}

func (w *world) pick(n int) int { return w.rng.IntN(n) }

// event is what comes at some time.
type event struct {
	timer *time.Timer
	f     func()
}

// later calls f after d. It is time.AfterFunc with timers that are used again, since there are so many. mu is held, also while f is called.
func (w *world) later(d time.Duration, f func()) {
	if n := len(w.idle); n > 0 {
		e := w.idle[n-1]
		w.idle = w.idle[:n-1]
		e.f = f
		e.timer.Reset(d)
		return
	}
	e := &event{f: f}
	e.timer = time.AfterFunc(d, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		f := e.f
		w.idle = append(w.idle, e)
		f()
	})
}

// wait lets virtual time pass, and reports whether the world goes on.
func (w *world) wait(d time.Duration) bool {
	t := w.timer(d)
	defer w.give(t)
	select {
	case <-t.C:
		return true
	case <-w.ctx.Done():
		return false
	}
}

// timer is time.NewTimer, with timers that are used again once they are given back.
func (w *world) timer(d time.Duration) *time.Timer {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := len(w.timers)
	if n == 0 {
		return time.NewTimer(d)
	}
	t := w.timers[n-1]
	w.timers = w.timers[:n-1]
	t.Reset(d)
	return t
}

func (w *world) give(t *time.Timer) {
	t.Stop()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.timers = append(w.timers, t)
}
