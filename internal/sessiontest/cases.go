package sessiontest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/editlock/editlock"
)

var cases = []testCase{
	{"one holds, the other waits and is let in", false, letIn},
	{"who does not wait is told who holds", false, told},
	{"a session holds a resource once", false, once},
	{"the place is given up with the context", false, givenUp},
	{"a cancel races a grant", false, cancelRacesGrant},
	{"a second release changes nothing", false, doubleRelease},
	{"the first waiter is gone", false, firstWaiterGone},
	{"only one is inside", false, onlyOneInside},
	{"several resources at once", false, several},
	{"names", false, names},
	{"a version that was saved", false, version},
	{"a lock that is taken away", false, takenAway},
	{"watch a resource", false, watchOne},
	{"watch a prefix", false, watchPrefix},
	{"a slow reader of news gets the latest", false, latestWins},
	{"closing gives everything back", false, closing},
	{"held for an hour", true, heldForAnHour},
	{"an outage: unsure, and the same fence afterwards", true, outage},
	{"an outage: nobody comes back for it", true, outageAlone},
	{"released while in doubt", true, releasedInDoubt},
	{"a short outage costs nothing", true, shortOutage},
	{"closed while the store is down", true, closedInOutage},
}

func letIn(s *story) {
	ana, ben := s.session("1", "Ana"), s.session("2", "Ben")
	a := s.acquire(ana)
	if a.Resource() != doc || a.Fence() == 0 {
		s.Fatalf("%q with fence %d", a.Resource(), a.Fence())
	}
	waiting := s.start(s.ctx, ben)
	s.awaitWaiting(1)
	s.holds(a)
	s.release(a)
	if err := context.Cause(a.Context()); !errors.Is(err, context.Canceled) {
		s.Fatalf("Ana's lock ended with %v", err)
	}
	b := s.lockOf(waiting)
	if b.Fence() <= a.Fence() {
		s.Fatalf("fence %d after %d", b.Fence(), a.Fence())
	}
	s.holds(b)
	s.release(b)
	s.awaitFree()
}

func told(s *story) {
	ana, ben := s.session("1", "Ana"), s.session("2", "Ben")
	a := s.acquire(ana)
	_, err := ben.Try(s.ctx, doc)
	var locked *editlock.LockedError
	if !errors.Is(err, editlock.ErrLocked) || !errors.As(err, &locked) {
		s.Fatal(err)
	}
	if h := locked.Snapshot.Holder; h == nil || h.User != (editlock.User{ID: "1", Name: "Ana"}) || h.You || h.Yours {
		s.Fatalf("%+v", h)
	}
	if !strings.Contains(err.Error(), "Ana") {
		s.Errorf("%q does not say who", err)
	}
	s.release(a)
	b, err := ben.Try(s.ctx, doc)
	if err != nil {
		s.Fatal(err)
	}
	s.release(b)
}

func once(s *story) {
	ana := s.session("1", "Ana")
	a := s.acquire(ana)
	again, err := ana.Try(s.ctx, "article/42")
	if err != nil || again != a {
		s.Fatalf("%v, %v: another lock than %v", again, err, a)
	}
	s.release(again)
	if a.Context().Err() == nil {
		s.Error("it was released, and is still held")
	}
	if b := s.acquire(ana); b == a || b.Fence() <= a.Fence() {
		s.Errorf("fence %d after %d", b.Fence(), a.Fence())
	}
}

func givenUp(s *story) {
	ana, ben, cleo := s.session("1", "Ana"), s.session("2", "Ben"), s.session("3", "Cleo")
	a := s.acquire(ana)
	ctx, cancel := context.WithCancelCause(s.ctx)
	waiting := s.start(ctx, ben)
	s.awaitWaiting(1)
	tired := errors.New("tired of waiting")
	cancel(tired)
	if g := <-waiting; !errors.Is(g.err, tired) || g.lock != nil {
		s.Fatalf("%+v", g)
	}
	s.awaitWaiting(0)
	s.release(a)
	if _, err := cleo.Try(s.ctx, doc); err != nil {
		s.Fatal(err)
	}
}

// Faults: Q3
func cancelRacesGrant(s *story) {
	ana, ben, cleo := s.session("1", "Ana"), s.session("2", "Ben"), s.session("3", "Cleo")
	for i := range 25 {
		a := s.acquire(ana)
		ctx, cancel := context.WithCancel(s.ctx)
		waiting := s.start(ctx, ben)
		s.awaitWaiting(1)
		var both sync.WaitGroup
		both.Go(cancel)
		both.Go(func() { s.release(a) })
		both.Wait()
		if g := <-waiting; g.err == nil {
			s.holds(g.lock)
			s.release(g.lock)
		} else if !errors.Is(g.err, context.Canceled) {
			s.Fatal(i, g.err)
		}
		// Whoever of the two was first: nobody is left behind with it.
		c := s.acquire(cleo)
		s.release(c)
	}
	s.awaitFree()
}

// Faults: Q7
func doubleRelease(s *story) {
	ana, ben := s.session("1", "Ana"), s.session("2", "Ben")
	a := s.acquire(ana)
	s.release(a)
	s.release(a)
	b := s.acquire(ben)
	s.release(a) // with its old fence
	if _, err := ana.Try(s.ctx, doc); !errors.Is(err, editlock.ErrLocked) {
		s.Fatalf("a release of an old hold freed the new one: %v", err)
	}
	s.holds(b)
}

// Faults: Q1, Q2
func firstWaiterGone(s *story) {
	ana, ben, cleo := s.session("1", "Ana"), s.session("2", "Ben"), s.session("3", "Cleo")
	a := s.acquire(ana)
	first := s.start(s.ctx, ben)
	s.awaitWaiting(1)
	second := s.start(s.ctx, cleo)
	s.awaitWaiting(2)
	// He goes in the very moment of his grant.
	var both sync.WaitGroup
	both.Go(func() { s.release(a) })
	both.Go(func() {
		if err := ben.Close(); err != nil {
			s.Error(err)
		}
	})
	both.Wait()
	if g := <-first; g.err != nil && !errors.Is(g.err, editlock.ErrClosed) {
		s.Fatal(g.err)
	} else if g.lock != nil {
		s.lost(g.lock)
	}
	s.holds(s.lockOf(second))
}

func onlyOneInside(s *story) {
	var inside atomic.Int32
	var mu sync.Mutex
	var fences []int64
	var all sync.WaitGroup
	for i := range 8 {
		of := s.session(fmt.Sprint(i), fmt.Sprint("Worker ", i))
		all.Go(func() {
			for range 5 {
				lock, err := of.Acquire(s.ctx, doc)
				if err != nil {
					s.Error(err)
					return
				}
				if inside.Add(1) != 1 {
					s.Error("two are inside")
				}
				mu.Lock()
				fences = append(fences, lock.Fence())
				mu.Unlock()
				inside.Add(-1)
				if err := lock.Release(s.ctx); err != nil {
					s.Error(err)
				}
			}
		})
	}
	all.Wait()
	if len(fences) != 40 || !slices.IsSorted(fences) || len(slices.Compact(fences)) != 40 {
		s.Errorf("fences %v", fences)
	}
}

func several(s *story) {
	ana, ben := s.session("1", "Ana"), s.session("2", "Ben")
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			if _, err := ana.Try(s.ctx, fmt.Sprint("article/", i)); err != nil {
				s.Error(err)
			}
		})
	}
	all.Wait()
	for i := range 20 {
		if _, err := ben.Try(s.ctx, fmt.Sprint("article/", i)); !errors.Is(err, editlock.ErrLocked) {
			s.Error(i, err)
		}
	}
}

// Faults: A3
func names(s *story) {
	ana := s.session("1", "Ana")
	for _, name := range []string{"", "/", "article/", "a//b", "../etc", "a\x00", "a*", strings.Repeat("x", 10_000)} {
		if _, err := ana.Acquire(s.ctx, name); !errors.Is(err, editlock.ErrBadResource) {
			s.Errorf("acquire %.20q: %v", name, err)
		}
		if _, err := ana.Try(s.ctx, name); !errors.Is(err, editlock.ErrBadResource) {
			s.Errorf("try %.20q: %v", name, err)
		}
	}
	if _, err := ana.Watch(s.ctx, "a//"); !errors.Is(err, editlock.ErrBadResource) {
		s.Errorf("watch: %v", err)
	}
	lock, err := ana.Acquire(s.ctx, "cafe\u0301")
	if err != nil || lock.Resource() != "caf\u00e9" {
		s.Errorf("%v, %v", lock, err)
	}
}

func version(s *story) {
	ana, ben := s.session("1", "Ana"), s.session("2", "Ben")
	a := s.acquire(ana)
	news, err := ben.Watch(s.ctx, doc)
	if err != nil {
		s.Fatal(err)
	}
	if err := a.Changed(s.ctx, "17"); err != nil {
		s.Fatal(err)
	}
	s.next(news, "the version", func(snap editlock.Snapshot) bool { return snap.Version == "17" })
	s.release(a)
	if err := a.Changed(s.ctx, "18"); !errors.Is(err, editlock.ErrStale) {
		s.Errorf("changed after the release: %v", err)
	}
}

func takenAway(s *story) {
	ana := s.session("1", "Ana")
	a := s.acquire(ana)
	tab, err := s.Manager.Connect(s.ctx, editlock.Connect{User: editlock.User{ID: "1", Name: "Ana"}, Nonce: "x"})
	if err != nil {
		s.Fatal(err)
	}
	defer tab.Disconnect()
	snap, err := tab.Acquire(s.ctx, editlock.Request{Resource: doc, Move: true})
	if err != nil {
		s.Fatal(err)
	}
	lost := s.lost(a)
	if !errors.Is(lost, editlock.ErrStale) || lost.Reason != "handed_over" || lost.By.Name != "Ana" || lost.Fence != a.Fence() || lost.Resource != doc {
		s.Fatalf("%#v", lost)
	}
	s.release(a) // does nothing
	if _, err := tab.Confirm(s.ctx, doc, snap.Mine.Fence); err != nil {
		s.Fatal(err)
	}
}
