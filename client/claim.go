package client

import (
	"context"
	"errors"
	"time"

	"github.com/editlock/editlock"
	"github.com/editlock/editlock/lease"
	"github.com/editlock/editlock/wire"
)

// reclaim is for how long a lock that was doubted is kept for whoever asks for it again, after the session was resumed: as long as a page has
// to confirm a grant.
const reclaim = 10 * time.Second

// claim is what this program wants of a resource, and what it knows. All under Session.mu.
type claim struct {
	asking   int           // callers that want it
	lock     *Lock         // held and trusted
	doubted  bool          // it was, and is not trusted any more
	fence    int64         // of what is doubted
	since    time.Time     // when the session was resumed after that
	dropping chan struct{} // it is being given back; closed when that was tried

	known    bool // the present connection has told
	revision int64
	mine     wire.Mine
	news     chan struct{} // closed at the next news
}

// wanted reports whether somebody wants it or has it.
func (c *claim) wanted() bool { return c.asking > 0 || c.lock != nil }

// unwanted reports whether it is to be given back.
func (c *claim) unwanted() bool {
	return !c.wanted() && c.dropping == nil && (!c.known || c.mine.State != "")
}

func (c *claim) wakeAll() {
	close(c.news)
	c.news = make(chan struct{})
}

// claimOf returns the claim of a resource, a new one if there is none. mu is held.
func (s *Session) claimOf(name string) *claim {
	c := s.claims[name]
	if c == nil {
		c = &claim{news: make(chan struct{})}
		s.claims[name] = c
	}
	return c
}

// tidy forgets a claim of which nothing is left. mu is held.
func (s *Session) tidy(name string, c *claim) {
	if !c.wanted() && c.dropping == nil && c.known && c.mine.State == "" {
		delete(s.claims, name)
		s.linger(name)
	}
}

// learn takes up a snapshot of the present connection. mu is held.
func (s *Session) learn(w wire.Snapshot) {
	snap := snapshotOf(w)
	for v := range s.watchers {
		v.put(snap)
	}
	c := s.claims[snap.Resource]
	switch {
	case c == nil && w.Mine == nil:
		return
	case c == nil: // nobody knows of it any more: guard gives it back
		c = s.claimOf(snap.Resource)
		s.nudge()
	case c.known && snap.Revision < c.revision:
		return
	}
	c.known, c.revision, c.mine = true, snap.Revision, wire.Mine{}
	if w.Mine != nil {
		c.mine = *w.Mine
	}
	c.wakeAll()
	if k := c.lock; k != nil && snap.Mine.Fence == k.fence {
		if snap.Mine.State == editlock.MineHeld {
			k.prove(c.mine.Token)
		}
	} else if k != nil && snap.Revision > k.fence {
		if e := snap.Ended; e != nil && e.Fence == k.fence {
			s.lose(c, &editlock.LostError{Resource: k.name, Fence: k.fence, Reason: e.Reason, By: e.By})
		} else {
			s.askWhy(k)
		}
	}
	s.tidy(snap.Resource, c)
}

// take returns the lock of a resource if the session holds it, and may believe so. mu is held.
func (s *Session) take(name string, c *claim) *Lock {
	if s.done || !c.known || c.mine.State != string(editlock.MineHeld) {
		return nil
	}
	if k := c.lock; k != nil && k.fence == c.mine.Fence {
		return k
	}
	if s.look(); !s.belief.Holds(s.clocks()) {
		return nil
	}
	if c.lock != nil {
		s.lose(c, &editlock.LostError{Resource: name, Fence: c.lock.fence})
	}
	c.lock, c.doubted = newLock(s, name, c.mine.Fence, c.mine.Token), false
	return c.lock
}

// lose ends a lock. mu is held.
func (s *Session) lose(c *claim, why *editlock.LostError) {
	c.lock.cancel(why)
	c.lock = nil
}

// look ends the trust in every lock when the time for it is over. mu is held.
func (s *Session) look() {
	now := s.clocks()
	if s.belief = s.belief.At(now); s.belief.Holds(now) {
		return
	}
	for name, c := range s.claims {
		if c.lock != nil {
			c.doubted, c.fence = true, c.lock.fence
			s.lose(c, &editlock.LostError{Resource: name, Fence: c.lock.fence})
			s.nudge()
		}
	}
}

// askWhy finds out how a lock ended that the server no longer lists, and ends it: so that its user is told the reason. mu is held.
func (s *Session) askWhy(k *Lock) {
	if k.leaving {
		return
	}
	k.leaving = true
	s.taskLocked(func() {
		ctx, cancel := context.WithTimeout(s.life, 2*time.Second)
		defer cancel()
		// The answer is learnt, and ends the lock with its reason.
		_, _, err := s.do(ctx, func(id int64) wire.Request {
			return &wire.Watch{ID: id, Target: wire.Target{Resource: k.name}, Fence: k.fence}
		})
		s.mu.Lock()
		defer s.mu.Unlock()
		c := s.claims[k.name]
		if c != nil && c.lock == k {
			s.lose(c, &editlock.LostError{Resource: k.name, Fence: k.fence})
			s.tidy(k.name, c)
		}
		if err == nil && s.claims[k.name] == nil {
			s.linger(k.name)
		}
	})
}

func (s *Session) Acquire(ctx context.Context, resource string) (editlock.Lock, error) {
	return s.acquire(ctx, resource, false)
}

func (s *Session) Try(ctx context.Context, resource string) (editlock.Lock, error) {
	return s.acquire(ctx, resource, true)
}

func (s *Session) acquire(ctx context.Context, resource string, noWait bool) (editlock.Lock, error) {
	name, err := lease.ParseResource(resource)
	if err != nil {
		return nil, err
	}
	bounded, cancel := context.WithCancel(ctx)
	if noWait {
		bounded, cancel = context.WithTimeout(ctx, s.opts.Timeout)
	}
	defer cancel() // and at Close
	defer context.AfterFunc(s.open, cancel)()
	c, err := s.enter(bounded, name)
	if err != nil {
		return nil, err
	}
	defer s.asks.Done()
	lock, err := s.await(bounded, name, c, noWait)
	s.mu.Lock()
	if c.asking--; !c.wanted() {
		s.tidy(name, c)
		if c.unwanted() && !c.doubted && !s.done && s.link != nil && s.claims[name] == c {
			s.taskLocked(func() { s.drop(name) }) // nobody wants it any more, whatever became of it
		}
	}
	done := s.done
	s.mu.Unlock()
	switch {
	case lock != nil && !done:
		return lock, nil
	case done:
		return nil, editlock.ErrClosed
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case bounded.Err() != nil:
		return nil, &refusal{editlock.ErrUnavailable, "the lock server did not answer in time; whatever it makes of the request is given back; try again"}
	}
	return nil, meaning(err)
}

// enter counts a caller who wants a resource, once what was given back before is settled.
func (s *Session) enter(ctx context.Context, name string) (*claim, error) {
	for {
		s.mu.Lock()
		if s.done {
			s.mu.Unlock()
			return nil, editlock.ErrClosed
		}
		c := s.claimOf(name)
		dropping := c.dropping
		if dropping == nil {
			c.asking++
			s.asks.Add(1)
			s.mu.Unlock()
			return c, nil
		}
		s.mu.Unlock()
		select {
		case <-dropping:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// await asks, confirms and waits, as what is known of the resource demands.
func (s *Session) await(ctx context.Context, name string, c *claim, noWait bool) (*Lock, error) {
	asked := false
	for {
		s.mu.Lock()
		lock, news, linked, l := s.take(name, c), c.news, s.linked, s.link
		known, state, fence := c.known, editlock.MineState(c.mine.State), c.mine.Fence
		s.mu.Unlock()
		target := wire.Target{Resource: name}
		request := func(id int64) wire.Request { return &wire.Acquire{ID: id, Target: target, Wait: new(!noWait)} }
		switch {
		case lock != nil && asked:
			return lock, nil
		case l == nil: // its place is kept
			if err := wait(ctx, s.life, linked); err != nil {
				return nil, err
			}
			continue
		case asked && known && state == editlock.MineGranted:
			request = func(id int64) wire.Request { return &wire.Confirm{ID: id, Target: target, Fence: fence} }
		case asked && known && noWait && state == editlock.MineWaiting:
			return nil, &refusal{editlock.ErrLocked, "another call of this session waits for " + name}
		case asked && known && (state == editlock.MineWaiting || state == editlock.MineHeld):
			if err := wait(ctx, s.life, news); err != nil {
				return nil, err
			}
			continue
		}
		_, _, err := l.ask(ctx, request)
		switch {
		case err == nil:
			asked = true
		case errors.Is(err, errDown):
			if err := wait(ctx, s.life, l.over); err != nil {
				return nil, err
			}
		case asked && stale(err): // the grant has passed on: ask again
			s.mu.Lock()
			c.known = false
			s.mu.Unlock()
		case elsewhere(err) || asked && passing(err):
			if err := s.pause(ctx, retryAfter(err)); err != nil {
				return nil, err
			}
		default:
			return nil, err
		}
	}
}

func stale(err error) bool {
	var e *wire.Error
	return errors.As(err, &e) && e.Code == wire.StaleFence
}

// wait waits for one of two ends, or what.
func wait(ctx, life context.Context, what <-chan struct{}) error {
	select {
	case <-what:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-life.Done():
		return editlock.ErrClosed
	}
}
