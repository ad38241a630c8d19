package server

import (
	"strings"
	"time"

	"github.com/editlock/editlock"
	"github.com/editlock/editlock/wire"
)

// scope is what the request under way is about: pushes about that wait for its answer. So what a client receives
// of a resource never goes back, though the protocol would have it bear that.
type scope struct {
	on       bool
	resource string
	prefix   string // instead of a resource, if that is empty
}

func (s scope) covers(resource string) bool {
	if s.resource != "" {
		return s.on && s.resource == resource
	}
	return s.on && strings.HasPrefix(resource, s.prefix)
}

// begin holds pushes back until deliver.
func (c *conn) begin(s scope) {
	c.mu.Lock()
	c.answers = s
	c.mu.Unlock()
}

// push is called by the Manager with every snapshot that the client is to see.
func (c *conn) push(s editlock.Snapshot) {
	defer c.guard("push")
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closing || !c.identity.rights.allows(verbWatch, s.Resource): // so it takes nobody's place either
	case c.session == nil || c.answers.covers(s.Resource):
		if c.heldBack == nil {
			c.heldBack = &outbox{limit: c.srv.opts.Outbox, held: true}
		}
		if c.heldBack.addPush(s) {
			c.sent(true)
		}
	default:
		c.pushNow(s)
	}
}

// pushNow puts a snapshot into the outbox if its watcher may still see it. mu is held.
func (c *conn) pushNow(s editlock.Snapshot) {
	if c.identity.rights.allows(verbWatch, s.Resource) {
		c.sent(c.out.addPush(s))
	}
}

// settle takes into an answer what was held back and is not newer than it: how a holding ended.
func (c *conn) settle(s editlock.Snapshot) editlock.Snapshot {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.heldBack != nil {
		if held := c.heldBack.takePush(s.Resource, s.Revision); held != nil {
			return merge(*held, s)
		}
	}
	return s
}

// deliver sends an answer, and after it what was held back for it.
func (c *conn) deliver(f wire.Frame) {
	c.send(f)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.release()
}

// release ends the holding back. mu is held.
func (c *conn) release() {
	held := c.heldBack
	c.heldBack, c.answers = nil, scope{}
	if held == nil {
		return
	}
	for e, ok := held.next(); ok && !c.closing; e, ok = held.next() {
		c.pushNow(*e.push)
	}
}

// render encodes an entry whose turn has come.
func (c *conn) render(e entry) []byte {
	c.srv.tally.sent.Add(1)
	var f wire.Frame
	switch {
	case e.frame != nil:
		return e.frame
	case e.ping:
		f = c.ping()
	default:
		c.mu.Lock()
		session := c.session
		c.mu.Unlock()
		s := c.snapshot(session, *e.push)
		f = &s
	}
	frame, err := wire.Encode(f)
	if err != nil {
		panic(err) // ends this connection
	}
	return frame
}

// snapshot writes a snapshot as the wire has it, with the proof of a hold.
func (c *conn) snapshot(session *editlock.Conn, s editlock.Snapshot) wire.Snapshot {
	w := plain(s)
	if s.Mine.State == editlock.MineHeld {
		for _, held := range session.Held() {
			if held.Resource == s.Resource && held.Fence == s.Mine.Fence {
				w.Mine.Token, w.Mine.ExpiresIn = c.srv.lockToken(c.userID(), session, held)
			}
		}
	}
	return w
}

// plain writes a snapshot as the wire has it.
func plain(s editlock.Snapshot) wire.Snapshot {
	now := time.Now()
	w := wire.Snapshot{
		Resource: s.Resource, Revision: s.Revision, State: wire.State(s.State),
		Waiting: s.Waiting, Version: s.Version,
	}
	if h := s.Holder; h != nil {
		w.Holder = &wire.Holder{
			User: h.User.ID, Name: h.User.Name, Since: forPeople(h.Since), HeldFor: wire.In(now.Sub(h.Since)),
			You: h.You, Yours: h.Yours,
		}
	}
	if e := s.Ended; e != nil {
		w.Ended = &wire.Ended{Fence: e.Fence, Reason: string(e.Reason), At: forPeople(e.At)}
	}
	if s.Mine.State == editlock.MineNone {
		return w
	}
	w.Mine = &wire.Mine{
		State: string(s.Mine.State), Position: s.Mine.Position, Since: forPeople(s.Mine.Since), Fence: s.Mine.Fence,
	}
	if s.Mine.State == editlock.MineGranted {
		w.Mine.ConfirmWithin = wire.In(s.Mine.ConfirmBy.Sub(now))
	}
	return w
}

func forPeople(t time.Time) time.Time { return t.UTC().Truncate(time.Second) }

func (c *conn) userID() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.user
}
