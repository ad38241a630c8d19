package editlock

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/editlock/editlock/lease"
	"github.com/editlock/editlock/store"
)

// hearBatch is how many changes are asked for in one go.
const hearBatch = 500

// ear is how this node hears of what the others have written. A Manager that has its store for itself has no need of it.
type ear struct {
	alone bool
	busy  chan struct{} // held (a token is in it) while it listens
	begun atomic.Int64  // how many times it has begun to listen

	// Of who holds busy.
	complete int64 // the last time that it heard all that there was
	upTo     int64 // the revision up to which all is known

	mu      sync.Mutex
	names   map[string]naming // of each resource whose record names sessions
	emptied map[string]int64  // of each whose record names none any more since a revision: what is older may still be heard
}

// naming says which sessions the record of a resource names, at a revision.
type naming struct {
	rev int64
	ids []string
}

// listen hears of changes as soon as the store hints at them. That they are looked for even without a hint is part of the
// renewal of the node's life.
func (m *Manager) listen() {
	hints := make(chan struct{}, 1)
	m.task(func() {
		for m.ctx.Err() == nil {
			err := m.st.Watch(m.ctx, func(key string) {
				if !strings.HasPrefix(key, lockKey) && !strings.HasPrefix(key, sessionKey) {
					return
				}
				select {
				case hints <- struct{}{}:
				default:
				}
			})
			if m.ctx.Err() == nil {
				m.log.Warn("the store gives no hints at changes; they are noticed a little later", "error", err)
				m.rest(renewEvery)
			}
		}
	})
	for {
		select {
		case <-m.ctx.Done():
			return
		case <-hints:
		}
		if m.hear(m.ctx) != nil {
			m.rest(renewEvery) // the renewal says what is wrong
		}
	}
}

// rest waits, or until the Manager ends.
func (m *Manager) rest(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-m.ctx.Done():
	}
}

// hear takes up what others have written. When it returns nil, all is known that was written before it was called: of
// sessions, and of which of them the records of resources name. What is in those the owners of the resources take up.
func (m *Manager) hear(ctx context.Context) error {
	e := &m.ear
	if e.alone || mutant == "deaf" {
		return nil
	}
	called := e.begun.Load()
	select {
	case e.busy <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-e.busy }()
	if e.complete > called {
		return nil // somebody else began after the call, and is done
	}
	number := e.begun.Add(1)
	ctx, cancel := context.WithTimeout(ctx, m.cfg.StoreTimeout)
	defer cancel()
	for {
		recs, upTo, err := m.st.Changes(ctx, e.upTo, hearBatch, sessionKey, lockKey)
		if err != nil {
			return storeError(err)
		}
		// Sessions first: the records of resources name them.
		for _, rec := range recs {
			if strings.HasPrefix(rec.Key, sessionKey) {
				m.heardSession(rec)
			}
		}
		for _, rec := range recs {
			if strings.HasPrefix(rec.Key, lockKey) {
				if err := m.heardLock(ctx, rec); err != nil {
					return err
				}
			}
		}
		e.upTo = upTo
		if len(recs) < hearBatch {
			break
		}
	}
	e.complete = number
	e.mu.Lock()
	defer e.mu.Unlock()
	for name, rev := range e.emptied {
		if rev <= e.upTo {
			delete(e.emptied, name)
			delete(e.names, name)
		}
	}
	return nil
}

// heardSession takes up the record of a session as somebody has written it.
func (m *Manager) heardSession(rec store.Record) {
	got, err := decodeSession(rec)
	if err != nil {
		m.log.Error("the record of a session cannot be read", "key", rec.Key, "error", err)
		return
	}
	s := m.known(got)
	s.mu.Lock()
	news := s != got && s.rev < got.rev
	s.mu.Unlock()
	if !news {
		return
	}
	take := func() {
		defer func() { <-s.record }()
		if old, why := s.take(m, got); old != nil {
			old.end(why)
		}
	}
	select {
	case s.record <- struct{}{}:
		take()
	default: // a swap of ours is under way: it finds out by itself, or what is heard is its own
		m.task(func() {
			s.record <- struct{}{}
			take()
		})
	}
}

// heardLock takes up the record of a resource as somebody has written it.
func (m *Manager) heardLock(ctx context.Context, rec store.Record) error {
	name := rec.Key[len(lockKey):]
	m.saw(rec.Rev)
	m.mu.Lock()
	r := m.resources[name]
	m.mu.Unlock()
	if r != nil {
		r.mu.Lock()
		known := !r.gone && r.rev >= rec.Rev
		r.mu.Unlock()
		if known {
			return nil
		}
	}
	state, err := lease.Decode(rec.Data, rec.Rev, lease.State{}, time.Now())
	if err != nil {
		return nil // whoever needs it says so
	}
	if err := m.recordedAll(ctx, state); errors.Is(err, errUnreadable) {
		return nil // likewise
	} else if err != nil {
		return err
	}
	m.index(name, rec.Rev, state)
	if r == nil && len(m.prefixed(name, nil)) == 0 {
		return nil // nobody here is told about it
	}
	for {
		r := m.resource(name)
		r.mu.Lock()
		if r.gone {
			r.mu.Unlock()
			continue
		}
		if r.heard == nil || r.heard.Rev < rec.Rev {
			r.heard = &rec
		}
		r.mu.Unlock()
		m.post(name, &op{})
		return nil
	}
}

// recordedAll makes every session known that a state names: one that is not may be another node's, and without its record it
// would seem to be nobody's. None of them is forgotten before there was time to note what names it.
func (m *Manager) recordedAll(ctx context.Context, state lease.State) error {
	for id := range state.Names {
		s, err := m.recorded(ctx, id)
		if err != nil {
			return err
		}
		if s == nil {
			continue
		}
		s.mu.Lock()
		s.unnamed = false
		unread := s.rev == 0
		s.mu.Unlock()
		if !unread {
			continue
		}
		// It is named, so it was written: by a write of which we were not told.
		select {
		case s.record <- struct{}{}:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		err = m.reread(ctx, s)
		<-s.record
		if err != nil {
			return err
		}
	}
	return nil
}

// index notes which sessions the record of a resource names at a revision. With ids only these are looked at: enough for a
// Manager that has its store for itself, and knows who can have come or gone.
func (m *Manager) index(name string, rev int64, state lease.State, ids ...string) {
	e := &m.ear
	if !e.alone {
		// Several come with it, and not in the order of the revisions.
		e.mu.Lock()
		defer e.mu.Unlock()
		was := e.names[name]
		if rev < was.rev && rev != 0 {
			return
		}
		is := naming{rev: rev}
		for id := range state.Names {
			is.ids = append(is.ids, id)
		}
		ids = append(was.ids, is.ids...) // some twice, which does no harm
		switch {
		case len(is.ids) > 0:
			e.names[name] = is
			delete(e.emptied, name)
		case rev == 0:
			delete(e.names, name)
			delete(e.emptied, name)
		default:
			e.names[name] = is
			e.emptied[name] = rev
		}
	}
	for _, id := range ids {
		m.note(id, name, state)
	}
}

// inCare reports whether a session is in the care of another node, which lives as far as is known.
func (m *Manager) inCare(s *session) bool {
	s.mu.Lock()
	id := s.node
	s.mu.Unlock()
	n := &m.node
	n.mu.Lock()
	defer n.mu.Unlock()
	o, there := n.others[id]
	return id != n.id && there && o.record.Ended == 0
}

// dropOthers forgets sessions that are in the care of others and that no record names. What is stored of them
// stays: should they be named again, it is read again.
func (m *Manager) dropOthers() {
	if m.ear.alone {
		return
	}
	for _, s := range m.all() {
		theirs := m.inCare(s)
		held := true
		select {
		case s.record <- struct{}{}: // or a resume that is under way would have it dropped from under it
		default:
			if held = false; mutant != "dropped-in-resume" {
				continue
			}
		}
		m.ear.mu.Lock() // so that nothing names it meanwhile
		s.mu.Lock()
		unnamed := s.unnamed
		s.unnamed = theirs && len(s.in) == 0 && s.conn == nil && s.asks == nil && !s.here
		drop := unnamed && s.unnamed // only the second time: what names it may be under way
		s.mu.Unlock()
		if drop {
			m.drop(s)
		}
		m.ear.mu.Unlock()
		if held {
			<-s.record
		}
	}
}

// drop takes a session out of the memory of this node.
func (m *Manager) drop(s *session) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.sessions[s.id] == s {
		delete(m.sessions, s.id)
		if m.users[s.user.ID]--; m.users[s.user.ID] <= 0 {
			delete(m.users, s.user.ID)
		}
	}
}
