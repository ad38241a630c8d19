package editlock

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/editlock/editlock/lease"
	"github.com/editlock/editlock/store"
)

// Reason says why a holding ended.
type Reason = lease.Reason

// The reasons, as in package lease.
const (
	Released    = lease.Released
	Left        = lease.Left
	HandedOver  = lease.HandedOver
	Idle        = lease.Idle
	Expired     = lease.Expired
	Unconfirmed = lease.Unconfirmed
	TakenOver   = lease.TakenOver
	Forced      = lease.Forced
	Revoked     = lease.Revoked
	LoggedOut   = lease.LoggedOut
)

// HistoryEntry is one change of who holds a resource. It was stored together with the change.
type HistoryEntry struct {
	Revision int64 // of the change; the fence, if it was a grant
	lease.Change
}

// History returns what happened to a resource, oldest first by the wall clock of who stored it: at most limit entries that were stored
// after the one that cursor came with ("" for the beginning), and the cursor of the last. It returns ErrBadRequest for what is
// no cursor.
func (m *Manager) History(ctx context.Context, resource, cursor string, limit int) ([]HistoryEntry, string, error) {
	name, err := lease.ParseResource(resource)
	if err != nil {
		return nil, "", err
	}
	if _, err := strconv.ParseUint(cursor, 16, 63); cursor != "" && (err != nil || len(cursor) != 16) {
		return nil, "", fmt.Errorf("%w: %q is no cursor of a history", ErrBadRequest, cursor)
	}
	return m.history(ctx, name, cursor, limit)
}

// HistoryFrom is the cursor for what was recorded from a moment on, by the wall clock of who stored it.
func HistoryFrom(t time.Time) string { return fmt.Sprintf("%016x", max(0, t.UnixMicro()-1)) }

func (m *Manager) history(ctx context.Context, name, cursor string, limit int) ([]HistoryEntry, string, error) {
	prefix := historyKey + name + "#"
	after := ""
	if cursor != "" {
		after = prefix + cursor
	}
	recs, err := m.st.List(ctx, prefix, after, limit)
	if err != nil {
		return nil, "", storeError(err)
	}
	entries := make([]HistoryEntry, 0, len(recs))
	for _, rec := range recs {
		c, err := lease.DecodeChange(rec.Data, rec.Rev)
		if err != nil {
			return nil, "", err
		}
		entries = append(entries, HistoryEntry{rec.Rev, c})
		cursor = rec.Key[len(prefix):]
	}
	return entries, cursor, nil
}

// historyOp is the operation that stores a change of holder. Its key sorts by time; should two changes fall on one
// microsecond the second's swap fails and is done again with a later one.
//
// One that stands for its span becomes due once all of the span is older than has to be kept, and takes with it those up to
// the next one that stands. So most of them cost no entry in an index of what is due.
func (m *Manager) historyOp(name string, c *lease.Change, now time.Time, stands bool) (store.Op, error) {
	data, err := lease.EncodeChange(*c)
	if err != nil {
		return store.Op{}, err
	}
	op := store.Op{Key: fmt.Sprintf("%s%s#%016x", historyKey, name, now.UnixMicro()), Data: data}
	if stands {
		keep, span := m.retention()
		op.Due = now.Add(keep + span).UTC().Round(0)
	}
	return op, nil
}

// retention is for how long history is kept, and for how long one entry of a resource stands for those that follow it.
func (m *Manager) retention() (keep, span time.Duration) {
	keep = m.cfg.Retention
	if keep < 0 {
		keep = 100 * 365 * 24 * time.Hour
	}
	return keep, min(keep/60, time.Hour)
}

// stands reports whether an entry made now is to stand for those that follow, when the last one that does was made at last.
// Wall times decide, as in the keys: after a clock was set back, an entry does not follow the last one.
func (m *Manager) stands(last, now time.Time) bool {
	since := time.Duration(now.UnixMicro()-last.UnixMicro()) * time.Microsecond
	_, span := m.retention()
	return last.IsZero() || since < 0 || since >= span
}

// forgetHistory deletes an entry that is due, and before it those for which it stands.
func (m *Manager) forgetHistory(due store.Record) error {
	prefix := due.Key[:strings.LastIndexByte(due.Key, '#')+1]
	for after, more := due.Key, prefix != ""; more; {
		ctx, cancel := context.WithTimeout(m.ctx, m.cfg.StoreTimeout)
		recs, err := m.st.List(ctx, prefix, after, tidyBatch)
		cancel()
		if err != nil {
			return err
		}
		more = len(recs) == tidyBatch
		var todo []func() error
		for _, rec := range recs {
			if !rec.Due.IsZero() {
				more = false
				break
			}
			after = rec.Key
			todo = append(todo, func() error { return m.remove(rec.Key, rec.Rev) })
		}
		if err := aside(todo); err != nil {
			return err
		}
	}
	return m.remove(due.Key, due.Rev) // at last: should we be stopped before, it is still due
}

// ended looks up how the holding with the given fence ended, among the last changes first. It returns nil if too much has
// happened since.
func (m *Manager) ended(ctx context.Context, name string, fence int64) *Ended {
	now := time.Now()
	for _, window := range []time.Duration{10 * time.Minute, 2 * time.Hour, 24 * time.Hour} {
		cursor := fmt.Sprintf("%016x", now.Add(-window).UnixMicro())
		for range 4 {
			entries, next, err := m.history(ctx, name, cursor, 200)
			if err != nil {
				return nil
			}
			for _, e := range entries {
				if e.Ended != nil && e.Ended.Fence == fence {
					return endedBy(&e.Change)
				}
			}
			if len(entries) < 200 {
				break
			}
			cursor = next
		}
	}
	return nil
}

func endedBy(c *lease.Change) *Ended {
	e := &Ended{Fence: c.Ended.Fence, Reason: c.Ended.Reason, At: c.Ended.Over}
	if c.Granted != nil {
		e.By = User{ID: c.Granted.User, Name: c.Granted.Name}
	}
	return e
}
