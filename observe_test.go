package editlock_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/editlock/editlock"
	"github.com/editlock/editlock/store"
	"github.com/editlock/editlock/store/mem"
)

// noted counts what an Observer is told.
type noted struct {
	mu    sync.Mutex
	times map[string]int
	spans map[string]time.Duration
}

func (n *noted) note(what string, d time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.times[what]++
	n.spans[what] += d
}

// want fails unless exactly these were noted since the last call.
func (n *noted) want(t *testing.T, what map[string]int) {
	t.Helper()
	n.mu.Lock()
	defer n.mu.Unlock()
	if !maps.Equal(n.times, what) {
		t.Errorf("noted %v, want %v", n.times, what)
	}
	n.times = map[string]int{}
}

// lasted fails unless what was noted took about so long in all.
func (n *noted) lasted(t *testing.T, what string, d time.Duration) {
	t.Helper()
	n.mu.Lock()
	defer n.mu.Unlock()
	if got := n.spans[what]; got < d-time.Second || got > d+2*time.Second {
		t.Errorf("%s: told as %v, want about %v", what, got, d)
	}
}

func newNoted() (*noted, *editlock.Observer) {
	n := &noted{times: map[string]int{}, spans: map[string]time.Duration{}}
	return n, &editlock.Observer{
		Asked: func(o editlock.AskOutcome) { n.note("ask "+string(o), 0) },
		Granted: func(queued bool, waited time.Duration) {
			n.note(map[bool]string{true: "grant after a wait", false: "grant at once"}[queued], waited)
		},
		Ended:       func(why editlock.Reason, held time.Duration) { n.note("end "+string(why), held) },
		Lapsed:      func() { n.note("lapse", 0) },
		Resumed:     func(r editlock.ResumeOutcome) { n.note("resume "+string(r), 0) },
		SessionOver: func(left bool) { n.note(map[bool]string{true: "left", false: "silent"}[left], 0) },
		Gap:         func(d time.Duration) { n.note("gap", d) },
		Panicked:    func() { n.note("panic", 0) },
	}
}

func stats(t *testing.T, m *editlock.Manager, want editlock.Stats) {
	t.Helper()
	if got := m.Stats(); got != want {
		t.Errorf("stats are\n%+v, want\n%+v", got, want)
	}
}

// What happens is told once, with how long it took, and the counts of the moment are those of the records.
func TestObserverIsToldWhatHappens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, observer := newNoted()
		m := open(t, mem.New(), editlock.Config{Observer: observer})
		ana, ben, cleo := newPage(t, m, "1", "Ana"), newPage(t, m, "2", "Ben"), newPage(t, m, "3", "Cleo")
		ana.ask(doc)
		fence := ana.holds(doc)
		pass(5 * time.Second)
		ben.ask(doc)
		cleo.ask(doc)
		ana.ask(doc)
		ben.ask(doc)
		if _, err := cleo.conn.Acquire(t.Context(), editlock.Request{Resource: "article/43", NoWait: true}); err != nil {
			t.Fatal(err)
		}
		if _, err := ben.conn.Acquire(t.Context(), editlock.Request{Resource: "article/43", NoWait: true}); !errors.Is(err, editlock.ErrLocked) {
			t.Fatal(err)
		}
		n.want(t, map[string]int{"ask granted": 2, "grant at once": 2, "ask queued": 2, "ask again": 2, "ask locked": 1})
		stats(t, m, editlock.Stats{Sessions: 3, Connected: 3, Held: 2, Waiting: 2, LongestQueue: 2, Vouches: true})

		pass(20 * time.Second)
		if _, err := ana.conn.Release(t.Context(), doc, fence, ""); err != nil {
			t.Fatal(err)
		}
		pass(time.Second)
		ben.holds(doc)
		n.want(t, map[string]int{"end released": 1, "grant after a wait": 1})
		n.lasted(t, "end released", 25*time.Second)
		n.lasted(t, "grant after a wait", 20*time.Second)

		ben.silent() // and Cleo takes over from him, by time
		pass(m.Config().TTL + 5*time.Second)
		cleo.holds(doc)
		n.want(t, map[string]int{"silent": 1, "lapse": 1, "end expired": 1, "grant after a wait": 1})
		if err := ben.back(m); err != nil {
			t.Fatal(err)
		}
		cleo.silent()
		pass(m.Config().TTL + 5*time.Second)
		n.want(t, map[string]int{"resume begun": 1, "silent": 1, "lapse": 2})
		if err := cleo.back(m); err != nil {
			t.Fatal(err)
		}
		cleo.silent()
		pass(m.Config().TTL + 5*time.Second)
		n.want(t, map[string]int{"resume resumed": 1, "silent": 1, "lapse": 2})
		stats(t, m, editlock.Stats{Sessions: 3, Connected: 2, Lapsed: 2, Vouches: true})
		m.Drain()
		stats(t, m, editlock.Stats{Sessions: 3, Connected: 2, Lapsed: 2, Vouches: true, Draining: true})
	})
}

func TestObserverIsToldOfOutages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, observer := newNoted()
		var renewed, failed atomic.Int64
		observer.Renewed = func(err error) {
			if err == nil {
				renewed.Add(1)
			} else {
				failed.Add(1)
			}
		}
		st := &faulty{Store: mem.New()}
		m := open(t, st, editlock.Config{Observer: observer})
		pass(10 * time.Second)
		if failed.Load() > 0 || renewed.Load() < 4 {
			t.Errorf("%d renewals, %d failed", renewed.Load(), failed.Load())
		}
		st.fail(down)
		pass(60 * time.Second)
		if failed.Load() < 20 {
			t.Errorf("%d renewals failed during an outage", failed.Load())
		}
		if m.Stats().Vouches {
			t.Error("it vouches after a minute without the store")
		}
		st.fail(nil)
		pass(5 * time.Second)
		n.want(t, map[string]int{"gap": 1})
		n.lasted(t, "gap", 61*time.Second)
		if !m.Stats().Vouches {
			t.Error("it does not vouch though the store is back")
		}
	})
}

// A write is told to every request that waits for it, with the context of that request.
func TestObserverIsToldForWhomIsWritten(t *testing.T) {
	type key struct{}
	var mu sync.Mutex
	told := map[any][]error{}
	observer := &editlock.Observer{Writing: func(ctx context.Context) func(error) {
		who := ctx.Value(key{})
		return func(err error) {
			mu.Lock()
			defer mu.Unlock()
			told[who] = append(told[who], err)
		}
	}}
	st := &faulty{Store: mem.New()}
	m := open(t, st, editlock.Config{Observer: observer})
	s, err := m.Session(t.Context(), editlock.User{ID: "1", Name: "Ana"})
	if err != nil {
		t.Fatal(err)
	}
	lock, err := s.Acquire(context.WithValue(t.Context(), key{}, "acquire"), doc)
	if err != nil {
		t.Fatal(err)
	}
	st.fail(down)
	if err := lock.Release(context.WithValue(t.Context(), key{}, "release")); !errors.Is(err, editlock.ErrUnavailable) {
		t.Fatal(err)
	}
	st.fail(nil)
	mu.Lock()
	defer mu.Unlock()
	if got := told["acquire"]; !slices.Equal(got, []error{nil}) {
		t.Errorf("of the acquire it was told %v", got)
	}
	if got := told["release"]; len(got) != 1 || !errors.Is(got[0], store.ErrUnavailable) {
		t.Errorf("of the release it was told %v", got)
	}
}

// Many sessions wait in one queue, and many queues are short.
func TestStatsFindTheLongestQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := open(t, mem.New(), editlock.Config{})
		newPage(t, m, "0", "Ana").ask(doc)
		newPage(t, m, "0", "Ana").ask("article/1")
		for i := range 7 {
			newPage(t, m, fmt.Sprint(i), "Ben").ask(doc)
			newPage(t, m, fmt.Sprint(i), "Ben").ask(fmt.Sprint("article/", i))
		}
		if got := m.Stats(); got.LongestQueue != 7 || got.Waiting != 8 || got.Held != 8 {
			t.Errorf("%+v", got)
		}
	})
}
