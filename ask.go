package editlock

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/editlock/editlock/lease"
	"github.com/editlock/editlock/store"
)

// Get returns what holds of a resource, for no session: it is certain for the moment at which it was read only. It returns
// ErrBadResource, ErrUnavailable or ErrClosed.
func (m *Manager) Get(ctx context.Context, resource string) (Snapshot, error) {
	name, err := lease.ParseResource(resource)
	if err != nil {
		return Snapshot{}, err
	}
	snap, _, err := m.stored(ctx, name)
	return snap, err
}

// List returns the resources whose names begin with prefix, that are held, lapsed or waited for and that allow accepts (nil: all),
// in the order of their names: at most limit that come after the one that cursor names ("" for the beginning). next is
// the cursor for those that follow, empty if there are none.
func (m *Manager) List(ctx context.Context, prefix, cursor string, limit int, allow func(resource string) bool) (_ []Snapshot, next string, err error) {
	if prefix, err = lease.ParsePrefix(prefix); err != nil {
		return nil, "", err
	}
	if limit <= 0 {
		return nil, "", fmt.Errorf("%w: the limit of a list is at least 1", ErrBadRequest)
	}
	if !m.vouches() {
		return nil, "", ErrUnavailable
	}
	return m.list(ctx, prefix, cursor, limit, allow, nil)
}

// list is List for a session, if s is not nil. It returns the cursor only if there is something that it was not to return.
func (m *Manager) list(ctx context.Context, prefix, cursor string, limit int, allow func(string) bool, s *session) ([]Snapshot, string, error) {
	select {
	case m.scans <- struct{}{}:
		defer func() { <-m.scans }()
	case <-ctx.Done():
		return nil, "", storeError(context.Cause(ctx))
	case <-m.ctx.Done():
		return nil, "", ErrClosed
	}
	after := ""
	if cursor != "" {
		after = lockKey + cursor
	}
	var snaps []Snapshot
	for {
		recs, err := m.st.List(ctx, lockKey+prefix, after, 500)
		if err != nil {
			return nil, "", storeError(err)
		}
		for _, rec := range recs {
			after = rec.Key
			name := strings.TrimPrefix(rec.Key, lockKey)
			if allow != nil && !allow(name) {
				continue
			}
			state, err := lease.Decode(rec.Data, rec.Rev, lease.State{}, time.Now())
			if err != nil || state.Empty() {
				continue // nobody gets a lock that cannot be read; the log says so
			}
			if len(snaps) == limit {
				return snaps, snaps[limit-1].Resource, nil
			}
			snaps = append(snaps, m.view(name, state, rec.Rev, s, nil))
		}
		if len(recs) < 500 {
			return snaps, "", nil
		}
	}
}

// stored reads what the store has of a resource, if this node may speak for it now. The snapshot is for no session.
func (m *Manager) stored(ctx context.Context, name string) (Snapshot, lease.State, error) {
	none := m.newest() // a record that is made later than it is found missing has a higher revision
	rec, err := m.st.Get(ctx, lockKey+name)
	state := lease.State{}
	switch {
	case errors.Is(err, store.ErrNotFound):
		rec = store.Record{Rev: none}
	case err != nil:
		return Snapshot{}, state, storeError(err)
	default:
		if state, err = lease.Decode(rec.Data, rec.Rev, lease.State{}, time.Now()); err != nil {
			return Snapshot{}, state, err
		}
	}
	if !m.vouches() {
		return Snapshot{}, state, ErrUnavailable
	}
	return m.view(name, state, rec.Rev, nil, nil), state, nil
}

// Check says whether a session holds a resource with a fence now: nil, a *LockedError if somebody else holds
// it, ErrStale if nobody does or the fence is older. Without a session ("") the fence alone counts, which names one grant;
// with a session, fence 0 stands for any. The snapshot is what was judged, for no session: with nil its holder is that
// session, and its fence the one that was found. It is zero if nothing could be read, with ErrBadResource, ErrUnavailable or
// ErrClosed. All of it is certain for the moment at which it was read only: check in the transaction of the write where that is
// possible.
func (m *Manager) Check(ctx context.Context, resource, session string, fence int64) (Snapshot, error) {
	name, err := lease.ParseResource(resource)
	if err != nil {
		return Snapshot{}, err
	}
	snap, s, err := m.stored(ctx, name)
	if err != nil {
		return Snapshot{}, err
	}
	other := ErrStale
	for _, h := range s.Holds {
		own := session == "" && fence > 0 || h.Session == session
		switch {
		case h.Lapsed:
		case own && (h.Fence == fence || fence == 0):
			return snap, nil
		case h.Session != session:
			other = &LockedError{Snapshot: snap}
		}
	}
	return snap, other
}

// ForceRelease ends the hold of a resource that has the given fence, with reason Forced, by decision of an administrator;
// fence 0 stands for that of whoever holds at this moment. Who did it, and why in at most 256 bytes, stand in the history. Whoever waits
// first is let in; the session that held may ask again. It returns what holds then, and how that holding ended, which may
// be otherwise if it was over already; nil if nothing of it is known. A second call with the same fence changes nothing.
func (m *Manager) ForceRelease(ctx context.Context, resource string, fence int64, by User, why string) (Snapshot, *Ended, error) {
	name, err := lease.ParseResource(resource)
	if err != nil {
		return Snapshot{}, nil, err
	}
	if why = strings.TrimSpace(why); why == "" || len(why) > lease.MaxText || !goodUser(by.ID) {
		return Snapshot{}, nil, fmt.Errorf("%w: to end another's hold takes a user who does it, and a reason in words, of 1 to %d bytes", ErrBadRequest, lease.MaxText)
	}
	if fence == 0 {
		snap, state, err := m.stored(ctx, name)
		if err != nil || len(state.Holds) == 0 {
			return snap, nil, err
		}
		fence = state.Holds[0].Fence
	}
	a := m.do(ctx, name, &op{event: lease.Event{Kind: lease.Force, Fence: fence, User: by.ID, Name: by.Name, Text: why}})
	if a.err != nil {
		return Snapshot{}, nil, a.err
	}
	snap, err := m.Get(ctx, name)
	if err != nil {
		return Snapshot{}, nil, fmt.Errorf("%w (%w)", ErrUnknownOutcome, err)
	}
	return snap, m.ended(ctx, name, fence), nil
}

// Standing returns where the session stands with all that it holds or waits for.
func (c *Conn) Standing(ctx context.Context) ([]Snapshot, error) {
	c.s.mu.Lock()
	err := c.check()
	names := make([]string, 0, len(c.s.in))
	for name := range c.s.in {
		names = append(names, name)
	}
	c.s.mu.Unlock()
	if err != nil {
		return nil, err
	}
	slices.Sort(names)
	var snaps []Snapshot
	for _, name := range names {
		a := c.do(ctx, name, false, lease.Event{Kind: lease.Look})
		if a.err != nil {
			return nil, a.err
		}
		if a.snapshot.Mine.State != MineNone {
			snaps = append(snaps, a.snapshot)
		}
	}
	return snaps, nil
}

// End ends the session for good: what it holds is given back with reason Left, what it waits for is given up. After the end of
// a session its resume token gives a new one.
func (c *Conn) End(ctx context.Context) error {
	c.s.mu.Lock()
	err := c.check()
	c.s.mu.Unlock()
	if err != nil {
		return err
	}
	err = c.m.endSession(ctx, c.s, Left)
	c.Disconnect()
	return err
}
