package editlock

import (
	"context"
	"errors"
	"time"

	"github.com/editlock/editlock/lease"
	"github.com/editlock/editlock/store"
)

// prefixLimit is how many resources the answer to a watch of a prefix has at most.
const prefixLimit = 1000

// How long a subscription is to last.
type subscription int

const (
	fading  subscription = iota // as long as the session is in the record
	asking                      // the same, and while an acquire is under way
	keeping                     // until it is no longer wanted
)

// subscribe makes the connection told about a resource.
func (c *Conn) subscribe(name string, how subscription) error {
	c.s.mu.Lock()
	err := c.check()
	w, known := c.watches[name]
	if err == nil && !known && len(c.watches)+len(c.prefixes) >= c.m.cfg.MaxWatches {
		err = ErrTooManyWatches
	}
	if err == nil {
		// A page that asks, or asked before it came back, goes on to watch. A program that acquires one resource after another does not.
		w.keep = w.keep || how == keeping || !c.s.here && (how == asking || mutant != "fades")
		if how == asking {
			w.asking++
		}
		c.watches[name] = w
	}
	c.s.mu.Unlock()
	if err != nil || known {
		return err
	}
	for {
		r := c.m.resource(name)
		r.mu.Lock()
		if r.gone {
			r.mu.Unlock()
			continue
		}
		// Unless it was disconnected, or it faded, since.
		c.s.mu.Lock()
		if _, known = c.watches[name]; known && c.s.conn == c {
			r.conns[c] = struct{}{}
		} else {
			err = c.check()
		}
		c.s.mu.Unlock()
		r.forget()
		r.mu.Unlock()
		return err
	}
}

// unsubscribe ends that.
func (c *Conn) unsubscribe(name string) {
	c.m.mu.Lock()
	r := c.m.resources[name]
	c.m.mu.Unlock()
	if r == nil {
		return
	}
	r.mu.Lock()
	delete(r.conns, c)
	r.forget()
	r.mu.Unlock()
}

// fade ends a subscription that nothing keeps any more.
func (c *Conn) fade(r *resource) {
	r.mu.Lock() // both, so that no subscription comes between
	defer r.mu.Unlock()
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	w, known := c.watches[r.name]
	_, in := c.s.in[r.name]
	if known && !w.keep && w.asking == 0 && !in {
		delete(c.watches, r.name)
		delete(r.conns, c)
	}
}

// asked notes that an acquire was answered.
func (c *Conn) asked(r *resource) {
	c.s.mu.Lock()
	c.s.answered(r.name)
	if w, known := c.watches[r.name]; known {
		w.asking--
		c.watches[r.name] = w
	}
	c.s.mu.Unlock()
	c.fade(r)
}

// Watch makes the connection told about a resource from now on, and returns what holds. fence, if it is not 0,
// is one with which the session once held: the snapshot then says how that holding ended, if it is known.
// It returns ErrBadResource, ErrTooManyWatches or ErrUnavailable.
func (c *Conn) Watch(ctx context.Context, resource string, fence int64) (Snapshot, error) {
	name, err := lease.ParseResource(resource)
	if err != nil {
		return Snapshot{}, err
	}
	if err := c.subscribe(name, keeping); err != nil {
		return Snapshot{}, err
	}
	a := c.do(ctx, name, false, lease.Event{Kind: lease.Look})
	if a.err == nil && fence != 0 && a.snapshot.Mine.Fence != fence {
		a.snapshot.Ended = c.m.ended(ctx, name, fence)
	}
	return a.snapshot, a.err
}

// WatchPrefix makes the connection told about every resource whose name begins with prefix, which is
// empty or ends with a slash. It returns those that are held, lapsed or waited for and that allow accepts (nil: all),
// and whether there are more of them. What is pushed afterwards is for the caller to filter.
func (c *Conn) WatchPrefix(ctx context.Context, prefix string, allow func(resource string) bool) (_ []Snapshot, more bool, err error) {
	if prefix, err = lease.ParsePrefix(prefix); err != nil {
		return nil, false, err
	}
	c.s.mu.Lock()
	err = c.check()
	_, known := c.prefixes[prefix]
	if err == nil && !known && len(c.watches)+len(c.prefixes) >= c.m.cfg.MaxWatches {
		err = ErrTooManyWatches
	}
	if err == nil {
		c.prefixes[prefix] = struct{}{}
	}
	c.s.mu.Unlock()
	if err != nil {
		return nil, false, err
	}
	c.m.watchPrefix(prefix, c, true)
	c.s.mu.Lock()
	err = c.check()
	c.s.mu.Unlock()
	if err != nil { // it was disconnected since
		c.m.watchPrefix(prefix, c, false)
		return nil, false, err
	}
	snaps, next, err := c.m.list(ctx, prefix, "", prefixLimit, allow, c.s)
	return snaps, next != "", err
}

// Unwatch ends the pushes about a resource, unless and until the session neither holds nor waits for it.
func (c *Conn) Unwatch(resource string) {
	name, err := lease.ParseResource(resource)
	if err != nil {
		return
	}
	c.s.mu.Lock()
	w, known := c.watches[name]
	_, in := c.s.in[name]
	gone := known && !in && w.asking == 0
	if w.keep = false; gone {
		delete(c.watches, name)
	} else if known {
		c.watches[name] = w
	}
	c.s.mu.Unlock()
	if gone {
		c.unsubscribe(name)
	}
}

// UnwatchPrefix ends the pushes about what begins with prefix.
func (c *Conn) UnwatchPrefix(prefix string) {
	prefix, err := lease.ParsePrefix(prefix)
	if err != nil {
		return
	}
	c.s.mu.Lock()
	delete(c.prefixes, prefix)
	c.s.mu.Unlock()
	c.m.watchPrefix(prefix, c, false)
}

// Heard keeps the session alive: a sign of life came from its page. It reports whether this node vouches for it;
// only then may it be acknowledged.
func (c *Conn) Heard() bool {
	now := time.Now()
	c.s.mu.Lock()
	ok := c.check() == nil
	if ok {
		c.s.pulse = c.m.life.Heard(c.s.pulse, now)
	}
	c.s.mu.Unlock()
	return ok && c.m.vouches()
}

// Vouch reports whether this node may acknowledge anything now.
func (c *Conn) Vouch() bool { return c.m.vouches() }

// Held returns the confirmed holds of the session; none while this node does not vouch for them.
func (c *Conn) Held() []HeldLock {
	c.s.mu.Lock()
	err := c.check()
	until := c.s.pulse.Deadline
	if most := time.Now().Add(c.m.cfg.TTL); until.After(most) {
		until = most // an amnesty is this node's kindness, and no promise
	}
	names := make([]string, 0, len(c.s.in))
	for name, how := range c.s.in {
		if how != lapsed {
			names = append(names, name)
		}
	}
	c.s.mu.Unlock()
	if err != nil || len(names) == 0 || !c.m.vouches() {
		return nil
	}
	var held []HeldLock
	for _, name := range names {
		c.m.mu.Lock()
		r := c.m.resources[name]
		c.m.mu.Unlock()
		if r == nil {
			continue
		}
		r.mu.Lock()
		if h := r.state.HoldOf(c.s.id, ""); h != nil && h.Confirmed && !h.Lapsed {
			held = append(held, HeldLock{name, h.Fence, until})
		}
		r.mu.Unlock()
	}
	return held
}

// Bye says that the page was left: the session has 5 s from now unless it is resumed.
func (c *Conn) Bye(ctx context.Context) error { return c.m.Bye(ctx, c.s.id, c.epoch) }

// Bye says that the page whose session has this epoch was left. A bye of an older epoch, or of a session
// that is not known, changes nothing. It may come to any node.
func (m *Manager) Bye(ctx context.Context, session string, epoch int64) error {
	for {
		s, err := m.recorded(ctx, session)
		if s == nil {
			return err
		}
		again, err := m.bye(ctx, s, epoch)
		if !again {
			return err
		}
	}
}

// bye does one attempt. It asks for another if the session's record changed meanwhile.
func (m *Manager) bye(ctx context.Context, s *session, epoch int64) (again bool, err error) {
	select {
	case s.record <- struct{}{}:
	case <-ctx.Done():
		return false, context.Cause(ctx)
	}
	defer func() { <-s.record }()
	s.mu.Lock()
	behind := epoch > s.epoch && !m.ear.alone
	late := s.epoch != epoch && mutant != "late-bye" || s.pulse.Left || s.here
	next := newSession(s.id, s.user)
	next.node, next.epoch, next.nonce, next.pulse.Left = s.node, s.epoch, s.nonce, true
	op := store.Op{Key: s.key(), Expect: s.rev, Data: next.encode()}
	s.mu.Unlock()
	if behind { // it is of a connection to another node of which this one has not heard yet
		if err := m.reread(ctx, s); err != nil {
			return false, err
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.epoch >= epoch, nil
	}
	if late {
		return false, nil
	}
	rev := op.Expect
	if rev != 0 {
		done := m.writing(ctx)
		rev, err = m.write(store.Group{op})
		done(err)
		if errors.Is(err, store.ErrConflict) {
			if err := m.reread(ctx, s); err != nil {
				return false, err
			}
			return true, nil
		}
		if err != nil {
			return false, storeError(err) // its silence will tell
		}
	}
	s.mu.Lock()
	s.rev, s.pulse = rev, m.life.ByeSeen(s.pulse, time.Now())
	s.mu.Unlock()
	return false, nil
}

// Disconnect is a bare disconnect: it changes nothing but that nobody is told any more.
func (c *Conn) Disconnect() {
	c.s.mu.Lock()
	if mutant == "disconnect-frees" && c.s.conn == c || mutant == "late-disconnect" {
		c.s.over, c.s.since, c.s.pulse.Left = true, time.Now(), true
	}
	if c.s.conn == c {
		c.s.conn = nil
	}
	watches, prefixes := c.watches, c.prefixes
	c.watches, c.prefixes = map[string]watching{}, map[string]struct{}{}
	c.s.mu.Unlock()
	for name := range watches {
		c.unsubscribe(name)
	}
	for prefix := range prefixes {
		c.m.watchPrefix(prefix, c, false)
	}
}

// end ends the connection from the Manager's side.
func (c *Conn) end(why error) {
	c.s.mu.Lock()
	closed := c.closed
	c.closed = nil
	c.s.mu.Unlock()
	c.Disconnect()
	if closed != nil {
		closed(why)
	}
}
