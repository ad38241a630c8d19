package editlock

import (
	"context"
	"runtime"
	"slices"
	"time"

	"github.com/editlock/editlock/lease"
)

// crowdAfter is how long after a change those are told who neither gained nor lost the lock: so the one who did
// is not kept waiting by them, and several changes become one.
const crowdAfter = 10 * time.Millisecond

// tell pushes a stored change: to the one whose grant it is first, then to the one who lost it, and a
// little later, if there is anything to see, to the crowd.
func (r *resource) tell(done []*op, change *lease.Change, seen bool) {
	if change != nil {
		for _, h := range []*lease.Holding{change.Granted, change.Ended} {
			if h == nil {
				continue
			}
			if s := r.m.find(h.Session); s != nil {
				s.mu.Lock()
				c := s.conn
				s.mu.Unlock()
				if c != nil && !answered(done, c) {
					c.notify(r.snapshot(s, change))
					if h == change.Granted {
						runtime.Gosched() // whoever writes it to the winner goes first
					}
				}
			}
		}
	}
	if seen && r.news.IsZero() {
		r.news = time.Now()
	}
}

// heed tells those who are here what others have done to the resource: the one whose grant it is and the one who lost it at once,
// and a little later the crowd.
func (r *resource) heed(ctx context.Context, before lease.State) {
	after := r.state
	holds := func(s lease.State, h lease.Hold) bool {
		return slices.ContainsFunc(s.Holds, func(g lease.Hold) bool { return g.Session == h.Session && g.Fence == h.Fence })
	}
	tell := func(h lease.Hold) {
		s := r.m.find(h.Session)
		if s == nil {
			return
		}
		s.mu.Lock()
		c := s.conn
		s.mu.Unlock()
		if c == nil {
			return
		}
		snap := r.snapshot(s, nil)
		if !holds(after, h) {
			snap.Ended = r.m.ended(ctx, r.name, h.Fence)
		}
		c.notify(snap)
	}
	for _, h := range after.Holds {
		if !holds(before, h) {
			tell(h)
		}
	}
	for _, h := range before.Holds {
		if !holds(after, h) {
			tell(h)
		}
	}
	if !sameView(before, after) && r.news.IsZero() {
		r.news = time.Now()
	}
}

// sameView reports whether two states look the same to everybody who is not told of the difference in an
// answer: a confirmation, say, concerns nobody else.
func sameView(a, b lease.State) bool {
	return a.Version == b.Version &&
		slices.EqualFunc(a.Holds, b.Holds, func(g, h lease.Hold) bool {
			return g.Session == h.Session && g.Part == h.Part && g.Fence == h.Fence && g.Lapsed == h.Lapsed
		}) &&
		slices.EqualFunc(a.Queue, b.Queue, func(v, w lease.Waiter) bool { return v.Session == w.Session && v.Part == w.Part })
}

// answered reports whether c gets the news in an answer.
func answered(done []*op, c *Conn) bool {
	for _, o := range done {
		if o.conn == c && o.done != nil {
			return true
		}
	}
	return false
}

// crowd pushes what holds now to everybody who is told about the resource.
func (r *resource) crowd() {
	r.news = time.Time{}
	r.mu.Lock()
	state, rev := r.state, r.rev
	conns := make([]*Conn, 0, len(r.conns))
	for c := range r.conns {
		conns = append(conns, c)
	}
	r.mu.Unlock()
	conns = r.m.prefixed(r.name, conns)
	if len(conns) == 0 {
		return
	}
	places := make(map[string]int, len(state.Queue))
	for i, w := range state.Queue {
		places[w.Session] = i + 1
	}
	for _, c := range conns {
		snap := r.m.view(r.name, state, rev, c.s, places)
		r.date(&snap)
		c.notify(snap)
		if snap.Mine.State == MineNone {
			c.fade(r)
		}
	}
}

// prefixed adds to conns those that watch a prefix of name, and takes out doubles.
func (m *Manager) prefixed(name string, conns []*Conn) []*Conn {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.prefixes) == 0 {
		return conns
	}
	seen := make(map[*Conn]struct{}, len(conns))
	for _, c := range conns {
		seen[c] = struct{}{}
	}
	add := func(prefix string) {
		for c := range m.prefixes[prefix] {
			if _, ok := seen[c]; !ok {
				seen[c] = struct{}{}
				conns = append(conns, c)
			}
		}
	}
	add("")
	for i := range len(name) {
		if name[i] == '/' {
			add(name[:i+1])
		}
	}
	return conns
}

// snapshot is what a session is told about the resource now.
func (r *resource) snapshot(s *session, change *lease.Change) Snapshot {
	r.mu.Lock()
	state, rev := r.state, r.rev
	r.mu.Unlock()
	snap := r.m.view(r.name, state, rev, s, nil)
	r.date(&snap)
	if change != nil && change.Ended != nil && change.Ended.Session == s.id {
		snap.Ended = endedBy(change)
	}
	return snap
}

// date gives a snapshot of a resource that has no record the revision at which that was so.
func (r *resource) date(snap *Snapshot) {
	if r.rev == 0 {
		snap.Revision = r.none
	}
}

// view makes the snapshot of a state for a session; s may be nil. places has the positions in the
// queue if they are known already.
func (m *Manager) view(name string, state lease.State, rev int64, s *session, places map[string]int) Snapshot {
	snap := Snapshot{Resource: name, Revision: rev, State: Free, Waiting: len(state.Queue), Version: state.Version}
	user := ""
	if s != nil {
		s.mu.Lock()
		user = s.user.ID
		s.mu.Unlock()
	}
	for _, h := range state.Holds {
		snap.State = Held
		if h.Lapsed {
			snap.State = Lapsed
		}
		snap.Holder = &Holder{User: User{h.User, h.Name}, Fence: h.Fence, Since: h.Since}
		if s == nil {
			continue
		}
		snap.Holder.You = h.Session == s.id
		snap.Holder.Yours = !snap.Holder.You && h.User == user
		if !snap.Holder.You {
			continue
		}
		snap.Mine = Mine{State: MineHeld, Fence: h.Fence, Since: h.Since}
		switch {
		case h.Lapsed:
			snap.Mine.State = MineLapsed
		case !h.Confirmed:
			snap.Mine.State, snap.Mine.ConfirmBy = MineGranted, h.Seen.Add(m.cfg.Rules.Confirm)
		}
	}
	if s == nil || snap.Mine.State != MineNone {
		return snap
	}
	place := places[s.id]
	if places == nil {
		place, _ = state.Place(s.id, "")
	}
	if place > 0 {
		w := state.Queue[place-1]
		snap.Mine = Mine{State: MineWaiting, Position: place, Since: time.Unix(w.Since, 0).UTC()}
		if w.Absent {
			snap.Mine.State = MineAbsent
		}
	}
	return snap
}

// watchPrefix notes, or no longer, that c is told about all that begins with prefix.
func (m *Manager) watchPrefix(prefix string, c *Conn, on bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	set := m.prefixes[prefix]
	switch {
	case on && set == nil:
		m.prefixes[prefix] = map[*Conn]struct{}{c: {}}
	case on:
		set[c] = struct{}{}
	case set != nil:
		if delete(set, c); len(set) == 0 {
			delete(m.prefixes, prefix)
		}
	}
}
