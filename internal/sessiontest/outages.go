package sessiontest

import (
	"errors"
	"time"

	"github.com/editlock/editlock"
)

func closing(s *story) {
	ana, ben, cleo := s.session("1", "Ana"), s.session("2", "Ben"), s.session("3", "Cleo")
	a := s.acquire(ana)
	other, err := ben.Try(s.ctx, "article/43")
	if err != nil {
		s.Fatal(err)
	}
	waiting := s.start(s.ctx, ben)
	s.awaitWaiting(1)
	news, err := ben.Watch(s.ctx, doc)
	if err != nil {
		s.Fatal(err)
	}
	if err := ben.Close(); err != nil {
		s.Fatal(err)
	}
	if g := <-waiting; !errors.Is(g.err, editlock.ErrClosed) {
		s.Fatalf("%+v", g)
	}
	s.lost(other)
	for range news { // it is closed
	}
	s.awaitWaiting(0)
	if _, err := cleo.Try(s.ctx, "article/43"); err != nil {
		s.Error(err)
	}
	if _, err := ben.Acquire(s.ctx, doc); !errors.Is(err, editlock.ErrClosed) {
		s.Error(err)
	}
	if _, err := ben.Try(s.ctx, doc); !errors.Is(err, editlock.ErrClosed) {
		s.Error(err)
	}
	if _, err := ben.Watch(s.ctx, doc); !errors.Is(err, editlock.ErrClosed) {
		s.Error(err)
	}
	if err := other.Changed(s.ctx, "1"); !errors.Is(err, editlock.ErrClosed) {
		s.Error(err)
	}
	if err := other.Release(s.ctx); err != nil {
		s.Error(err)
	}
	if err := ben.Close(); err != nil {
		s.Error(err)
	}
	s.holds(a)
}

func heldForAnHour(s *story) {
	ana, ben := s.session("1", "Ana"), s.session("2", "Ben")
	a := s.acquire(ana)
	waiting := s.start(s.ctx, ben)
	for range 60 {
		s.pass(time.Minute)
		s.holds(a)
	}
	s.release(a)
	s.holds(s.lockOf(waiting))
}

// Faults: D1
func outage(s *story) {
	ana, ben := s.session("1", "Ana"), s.session("2", "Ben")
	a := s.acquire(ana)
	waiting := s.start(s.ctx, ben)
	s.awaitWaiting(1)
	s.Fail(true)
	if lost := s.lost(a); !errors.Is(lost, editlock.ErrUnsure) || lost.Reason != "" || lost.Fence != a.Fence() {
		s.Fatalf("%#v", lost)
	}
	again := s.insist(ana)
	s.pass(time.Minute)
	s.Fail(false)
	b := s.lockOf(again)
	if b.Fence() != a.Fence() || b == a {
		s.Fatalf("fence %d, before %d", b.Fence(), a.Fence())
	}
	s.pass(time.Minute)
	s.holds(b)
	s.release(b)
	s.holds(s.lockOf(waiting)) // he kept his place
}

// Faults: D1
func outageAlone(s *story) {
	ana, ben := s.session("1", "Ana"), s.session("2", "Ben")
	a := s.acquire(ana)
	s.Fail(true)
	s.lost(a)
	s.pass(time.Minute)
	s.Fail(false)
	began := time.Now()
	s.holds(s.lockOf(s.insist(ben)))
	if took := time.Since(began); took > time.Minute {
		s.Errorf("what nobody came back for was given back after %v", took)
	}
}

func releasedInDoubt(s *story) {
	ana, ben := s.session("1", "Ana"), s.session("2", "Ben")
	a := s.acquire(ana)
	s.Fail(true)
	s.lost(a)
	_ = a.Release(s.ctx) // whatever comes of it
	s.Fail(false)
	s.holds(s.lockOf(s.insist(ben)))
}

// Faults: D1
func shortOutage(s *story) {
	ana, ben := s.session("1", "Ana"), s.session("2", "Ben")
	a := s.acquire(ana)
	waiting := s.start(s.ctx, ben)
	s.awaitWaiting(1)
	s.Fail(true)
	s.pass(3 * time.Second)
	s.Fail(false)
	s.pass(time.Minute)
	s.holds(a)
	s.release(a)
	s.holds(s.lockOf(waiting))
}

// Faults: D1
func closedInOutage(s *story) {
	ana, ben := s.session("1", "Ana"), s.session("2", "Ben")
	s.acquire(ana)
	s.Fail(true)
	_ = ana.Close()
	s.Fail(false)
	s.holds(s.lockOf(s.insist(ben)))
}
