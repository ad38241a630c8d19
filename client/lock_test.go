package client

import (
	"context"
	"errors"
	"log/slog"
	"net/url"
	"testing"
	"time"

	"github.com/editlock/editlock"
	"github.com/editlock/editlock/lease"
	"github.com/editlock/editlock/wire"
)

// Faults: B10, W2. After a stop no timer has run yet: the first look at the lock is what counts. Here no timer runs at all.
func TestFirstLookAfterAStop(t *testing.T) {
	for name, look := range map[string]func(context.Context) error{
		"its error": func(ctx context.Context) error { return ctx.Err() },
		"its cause": context.Cause,
	} {
		for clock, jump := range map[string]lease.Clocks{
			"by the monotonic clock":                     {Mono: 28 * time.Second},
			"by the wall clock, since the machine slept": {Wall: 28 * time.Second},
		} {
			t.Run(name+" "+clock, func(t *testing.T) {
				s := newSession(Options{Logger: slog.New(slog.DiscardHandler)}, []*url.URL{{}})
				now := lease.Clocks{Mono: time.Hour, Wall: 1000 * time.Hour}
				s.clocks = func() lease.Clocks { return now }
				s.belief = lease.Believe(now, 30*time.Second, 3*time.Second)
				c := s.claimOf("article/42")
				c.known, c.mine = true, wire.Mine{State: "held", Fence: 7}
				s.mu.Lock()
				lock := s.take("article/42", c)
				s.mu.Unlock()
				now.Mono, now.Wall = now.Mono+26*time.Second, now.Wall+26*time.Second
				if err := look(lock.Context()); err != nil {
					t.Fatalf("after 26 s: %v", err)
				}
				now.Mono, now.Wall = now.Mono-26*time.Second+jump.Mono, now.Wall-26*time.Second+jump.Wall
				if err := look(lock.Context()); err == nil {
					t.Fatal("it believes after 28 s")
				}
				if !errors.Is(context.Cause(lock.Context()), editlock.ErrUnsure) {
					t.Error(context.Cause(lock.Context()))
				}
				s.mu.Lock()
				again := s.take("article/42", c)
				s.mu.Unlock()
				if again != nil {
					t.Error("it is given out again")
				}
			})
		}
	}
}

// Faults: W4. What is older than what the connection has told already changes nothing.
func TestOlderSnapshotIsIgnored(t *testing.T) {
	s := newSession(Options{Logger: slog.New(slog.DiscardHandler)}, []*url.URL{{}})
	s.belief = lease.Believe(s.clocks(), 30*time.Second, 3*time.Second)
	c := s.claimOf("article/42")
	c.asking = 1
	s.mu.Lock()
	defer s.mu.Unlock()
	s.learn(wire.Snapshot{Resource: "article/42", Revision: 10, State: "held", Mine: &wire.Mine{State: "held", Fence: 7}})
	lock := s.take("article/42", c)
	if lock == nil {
		t.Fatal("what is held is not given out")
	}
	s.learn(wire.Snapshot{Resource: "article/42", Revision: 9, State: "free", Ended: &wire.Ended{Fence: 7, Reason: "released"}})
	if c.lock != lock || c.mine.Fence != 7 {
		t.Error("an older snapshot ended the lock")
	}
	s.learn(wire.Snapshot{Resource: "article/42", Revision: 11, State: "free", Ended: &wire.Ended{Fence: 7, Reason: "forced"}})
	var lost *editlock.LostError
	if c.lock != nil || !errors.As(context.Cause(lock.ctx), &lost) || lost.Reason != "forced" {
		t.Errorf("the end is not noticed: %v", context.Cause(lock.ctx))
	}
}

// A connection that is new begins afresh with revisions, and yet nothing from before a grant ends it.
func TestNothingFromBeforeTheGrantEndsIt(t *testing.T) {
	now := lease.Clocks{Mono: time.Hour, Wall: 1000 * time.Hour}
	s, welcomed := alone(&now)
	welcomed("r1", held("t1"))
	lock := s.grab(t)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.claims["article/42"].known = false
	s.learn(wire.Snapshot{Resource: "article/42", Revision: 6, State: "free"})
	if lock.leaving || lock.ctx.Err() != nil {
		t.Error("the state before the grant ended it")
	}
}
