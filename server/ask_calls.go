package server

import (
	"encoding/base64"
	"errors"
	"time"

	"github.com/editlock/editlock"
	"github.com/editlock/editlock/lease"
	"github.com/editlock/editlock/wire"
)

// callCheck says of one resource, or of many, whether it is held as the caller claims.
func (s *Server) callCheck(c *call, in *wire.CheckCall) (*checkAnswer, error) {
	items := in.Items
	if items == nil {
		items = []wire.CheckItem{in.CheckItem}
	}
	names := make([]string, len(items))
	for i, item := range items { // all rights first: an answer in parts would say which of the names are known
		name, err := lease.ParseResource(item.Resource)
		if err != nil {
			return nil, err
		}
		if err := c.may(verbWatch, name); err != nil {
			return nil, err
		}
		names[i] = name
	}
	out := &checkAnswer{many: in.Items != nil}
	for i, item := range items {
		checked, err := s.checkOne(c, names[i], item)
		if err != nil {
			return nil, err
		}
		out.items = append(out.items, checked)
	}
	return out, nil
}

func (s *Server) checkOne(c *call, name string, item wire.CheckItem) (wire.Checked, error) {
	session, fence, refused := "", item.Fence, wire.Code("")
	switch {
	case item.Token != "":
		lock, err := wire.VerifyLock(wire.Keys{s.opts.LockKey}, item.Token, c.received)
		switch {
		case err != nil && !errors.Is(err, wire.ErrExpired), lock.Resource != name, lock.Part != "":
			refused = wire.BadLockToken
		case item.Fence != 0 && item.Fence != lock.Fence:
			refused = wire.StaleFence
		}
		session, fence = lock.Session, lock.Fence
	case item.Session != "":
		t, err := wire.VerifyResume(s.opts.ResumeSecret, item.Session)
		if err != nil || t.User != c.who.user.ID {
			refused = wire.ResumeRefused
		}
		session = t.Session
	}
	if refused != "" {
		session, fence = "", 0 // nothing is claimed: only what holds is told
	}
	// The answer is made of what was judged: a second look might find the next holder, whose fence would then be given away as ours.
	snap, err := s.m.Check(c.ctx, name, session, fence)
	if err != nil && !errors.Is(err, editlock.ErrLocked) && !errors.Is(err, editlock.ErrStale) {
		return wire.Checked{}, err
	}
	out := wire.Checked{Resource: name, Result: wire.Unheld, Code: refused}
	if snap.State == editlock.Held {
		out.Result, out.Holder, out.Fence = wire.Theirs, c.snapshot(snap).Holder, snap.Holder.Fence
	}
	switch {
	case err == nil:
		out.Result = wire.Ours
	case session != "" || fence != 0:
		out.Code = wire.StaleFence
	}
	return out, nil
}

// checkAnswer is the answer in the form in which it was asked for.
type checkAnswer struct {
	items []wire.Checked
	many  bool
}

func (a *checkAnswer) answer() any {
	if a.many {
		return &wire.CheckedList{Items: a.items}
	}
	return &a.items[0]
}

// Parameters of what is asked by its address alone.
type (
	resourceQuery struct {
		Resource string `param:"resource" jsonschema:"The name; its slashes may stand as they are."`
	}
	locksQuery struct {
		Prefix string `param:"prefix" jsonschema:"Only what begins so; it ends in a slash. Empty: all."`
		Cursor string `param:"cursor" jsonschema:"Of the answer before."`
		Limit  int    `param:"limit" jsonschema:"At most so many; 100 if it is not given."`
	}
	historyQuery struct {
		Resource string    `param:"resource" jsonschema:"The name; its slashes may stand as they are."`
		Cursor   string    `param:"cursor" jsonschema:"Of the answer before."`
		Since    time.Time `param:"since" jsonschema:"Only what was recorded from then on, by the clock of the server; without a cursor."`
		Limit    int       `param:"limit" jsonschema:"At most so many; 100 if it is not given."`
	}
)

// callGet tells what holds of a resource.
func (s *Server) callGet(c *call, q *resourceQuery) (*wire.Snapshot, error) {
	name, err := c.visible(q.Resource)
	if err != nil {
		return nil, err
	}
	snap, err := s.m.Get(c.ctx, name)
	if err != nil {
		return nil, err
	}
	return c.snapshot(snap), nil
}

// visible is the canonical name of a resource that the caller may see.
func (c *call) visible(resource string) (string, error) {
	name, err := lease.ParseResource(resource)
	if err != nil {
		return "", err
	}
	return name, c.may(verbWatch, name)
}

// callList tells what is held, lapsed or waited for.
func (s *Server) callList(c *call, q *locksQuery) (*wire.LockList, error) {
	prefix, err := lease.ParsePrefix(q.Prefix)
	if err != nil {
		return nil, err
	}
	if !c.who.rights.some(verbWatch, prefix) {
		return nil, forbidden(0, verbWatch, prefix+"**")
	}
	after := ""
	if q.Cursor != "" {
		b, err := base64.RawURLEncoding.Strict().DecodeString(q.Cursor)
		if err == nil {
			after, err = lease.ParseResource(string(b))
		}
		if err != nil {
			return nil, badCursor
		}
	}
	snaps, next, err := s.m.List(c.ctx, c.who.rights.below(verbWatch, prefix), after, q.Limit, func(name string) bool { return c.who.rights.allows(verbWatch, name) })
	if err != nil {
		return nil, err
	}
	out := &wire.LockList{Locks: []wire.Snapshot{}}
	for _, snap := range snaps {
		out.Locks = append(out.Locks, *c.snapshot(snap))
	}
	if next != "" {
		out.Cursor = base64.RawURLEncoding.EncodeToString([]byte(next))
	}
	return out, nil
}

var badCursor = &wire.Error{Code: wire.BadRequest, Message: "This is no cursor of this list. Take it from the answer before, or leave it out to begin again."}

// callHistory tells who held a resource, and why it ended.
func (s *Server) callHistory(c *call, q *historyQuery) (*wire.HistoryList, error) {
	name, err := c.visible(q.Resource)
	if err != nil {
		return nil, err
	}
	cursor := q.Cursor
	if cursor == "" && !q.Since.IsZero() {
		cursor = editlock.HistoryFrom(q.Since)
	}
	entries, next, err := s.m.History(c.ctx, name, cursor, q.Limit)
	switch {
	case errors.Is(err, editlock.ErrBadRequest):
		return nil, badCursor
	case err != nil:
		return nil, err
	}
	out := &wire.HistoryList{Entries: []wire.HistoryEntry{}}
	for _, e := range entries {
		out.Entries = append(out.Entries, wire.HistoryEntry{Revision: e.Revision, At: e.At.UTC(), Ended: past(e.Ended), Granted: past(e.Granted)})
	}
	if len(entries) == q.Limit { // the next one tells whether this is the end
		more, _, err := s.m.History(c.ctx, name, next, 1)
		if err != nil {
			return nil, err
		}
		if len(more) > 0 {
			out.Cursor = next
		}
	}
	return out, nil
}

func past(h *lease.Holding) *wire.PastHold {
	if h == nil {
		return nil
	}
	p := &wire.PastHold{User: h.User, Name: h.Name, Fence: h.Fence, Since: h.Since.UTC(), Reason: string(h.Reason), Text: h.Text}
	if !h.Over.IsZero() {
		p.At = h.Over.UTC()
	}
	if h.By != "" {
		p.By = &wire.User{ID: h.By, Name: h.ByName}
	}
	return p
}

// callForce ends another's hold.
func (s *Server) callForce(c *call, in *wire.ForceCall) (*wire.Forced, error) {
	name, err := lease.ParseResource(in.Resource)
	if err != nil {
		return nil, err
	}
	if err := c.may(verbAdminister, name); err != nil {
		return nil, err
	}
	snap, ended, err := s.m.ForceRelease(c.ctx, name, in.Fence, c.who.user, in.Reason)
	if err != nil {
		return nil, err
	}
	out := &wire.Forced{Snapshot: *c.snapshot(snap)}
	if ended != nil {
		out.Ended = &wire.Ended{Fence: ended.Fence, Reason: string(ended.Reason), At: forPeople(ended.At)}
	}
	return out, nil
}
