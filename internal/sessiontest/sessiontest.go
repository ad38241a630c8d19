// Package sessiontest is the one suite for editlock.Session: what a program of this process and one at the other end of a
// network may rely on alike.
package sessiontest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/editlock/editlock"
)

// Place is where sessions are made: one Manager, near or far.
type Place struct {
	Manager *editlock.Manager
	// Session makes a session of a user.
	Session func(ctx context.Context, user editlock.User) (editlock.Session, error)
	// Fail makes the store fail with every write, or work again.
	Fail func(bool)
}

// Suite is what is tested, and how.
type Suite struct {
	// Open makes a fresh Place for one test, which cleans up itself.
	Open func(t *testing.T) *Place
	// Virtual runs each test in a bubble of virtual time: nothing may wait for the real world. Only then outages of minutes
	// are tried.
	Virtual bool
}

const doc = "article/42"

// patience is how long anything may take before a test gives up.
const patience = time.Minute

// Run runs the suite.
func Run(t *testing.T, s Suite) {
	for _, c := range cases {
		if c.slow && !s.Virtual {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			f := func(t *testing.T) {
				limit := 10 * patience
				if s.Virtual {
					limit = 100 * time.Hour
				}
				ctx, cancel := context.WithTimeout(t.Context(), limit)
				defer cancel()
				c.run(&story{T: t, Place: s.Open(t), ctx: ctx})
			}
			if s.Virtual {
				synctest.Test(t, f)
				return
			}
			t.Parallel()
			f(t)
		})
	}
}

// testCase is one promise. slow: it takes minutes, and is for virtual time.
type testCase struct {
	name string
	slow bool
	run  func(*story)
}

// story is one test under way.
type story struct {
	*testing.T
	*Place
	ctx context.Context
}

// session makes a session that is closed at the end.
func (s *story) session(id, name string) editlock.Session {
	s.Helper()
	session, err := s.Session(s.ctx, editlock.User{ID: id, Name: name})
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { _ = session.Close() })
	return session
}

// acquire acquires doc.
func (s *story) acquire(of editlock.Session) editlock.Lock {
	s.Helper()
	lock, err := of.Acquire(s.ctx, doc)
	if err != nil {
		s.Fatal(err)
	}
	return lock
}

// got is what an acquire in the background came to.
type got struct {
	lock editlock.Lock
	err  error
}

func (s *story) start(ctx context.Context, of editlock.Session) <-chan got {
	ch := make(chan got, 1)
	go func() {
		lock, err := of.Acquire(ctx, doc)
		ch <- got{lock, err}
	}()
	return ch
}

// insist acquires in the background as a program does that goes on trying while the store is down.
func (s *story) insist(of editlock.Session) <-chan got {
	ch := make(chan got, 1)
	go func() {
		for {
			lock, err := of.Acquire(s.ctx, doc)
			if errors.Is(err, editlock.ErrUnavailable) || errors.Is(err, editlock.ErrUnknownOutcome) {
				s.pass(time.Second)
				continue
			}
			ch <- got{lock, err}
			return
		}
	}()
	return ch
}

func (s *story) lockOf(ch <-chan got) editlock.Lock {
	s.Helper()
	select {
	case g := <-ch:
		if g.err != nil {
			s.Fatal(g.err)
		}
		return g.lock
	case <-s.ctx.Done():
		s.Fatal("no grant")
		return nil
	}
}

// await waits until the Manager shows doc as ok wants it.
func (s *story) await(what string, ok func(editlock.Snapshot) bool) {
	s.Helper()
	eye, err := s.Manager.Session(s.ctx, editlock.User{ID: "eye", Name: "Eye"})
	if err != nil {
		s.Fatal(err)
	}
	defer func() { _ = eye.Close() }()
	ctx, cancel := context.WithTimeout(s.ctx, patience)
	defer cancel()
	news, err := eye.Watch(ctx, doc)
	if err != nil {
		s.Fatal(err)
	}
	var last editlock.Snapshot
	for snap := range news {
		if last = snap; ok(snap) {
			return
		}
	}
	s.Fatalf("%s does not come: %+v", what, last)
}

func (s *story) awaitWaiting(n int) {
	s.Helper()
	s.await(fmt.Sprint(n, " waiting"), func(snap editlock.Snapshot) bool { return snap.Waiting == n })
}

func (s *story) awaitFree() {
	s.Helper()
	s.await("a free resource", func(snap editlock.Snapshot) bool { return snap.State == editlock.Free && snap.Waiting == 0 })
}

// lost waits until a lock is lost, and returns why.
func (s *story) lost(lock editlock.Lock) *editlock.LostError {
	s.Helper()
	select {
	case <-lock.Context().Done():
	case <-s.ctx.Done():
		s.Fatal("the lock is not lost")
	}
	var lost *editlock.LostError
	if !errors.As(context.Cause(lock.Context()), &lost) {
		s.Fatalf("the cause is %v", context.Cause(lock.Context()))
	}
	return lost
}

func (s *story) holds(lock editlock.Lock) {
	s.Helper()
	if err := lock.Context().Err(); err != nil {
		s.Fatalf("the lock is lost: %v", context.Cause(lock.Context()))
	}
}

// release releases a lock.
func (s *story) release(lock editlock.Lock) {
	s.Helper()
	if err := lock.Release(s.ctx); err != nil {
		s.Fatal(err)
	}
}

// next waits for a snapshot that ok wants.
func (s *story) next(news <-chan editlock.Snapshot, what string, ok func(editlock.Snapshot) bool) editlock.Snapshot {
	s.Helper()
	var last editlock.Snapshot
	for {
		select {
		case snap, open := <-news:
			if !open {
				s.Fatalf("the news ended before %s: %+v", what, last)
			}
			if last = snap; ok(snap) {
				return snap
			}
		case <-s.ctx.Done():
			s.Fatalf("%s does not come: %+v", what, last)
		}
	}
}

// pass lets time pass.
func (s *story) pass(d time.Duration) {
	select {
	case <-time.After(d):
	case <-s.ctx.Done():
	}
}
