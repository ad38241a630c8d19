package server

import (
	"context"

	"github.com/editlock/editlock"
	"github.com/editlock/editlock/lease"
	"github.com/editlock/editlock/wire"
)

// do answers one request, in the working goroutine.
func (c *conn) do(ctx context.Context, r wire.Request) {
	c.mu.Lock()
	session := c.session
	c.mu.Unlock()
	if h, ok := r.(*wire.Hello); ok && session == nil {
		c.hello(ctx, h)
		return
	}
	if session == nil {
		c.fail(&wire.Error{ID: r.RequestID(), Code: wire.BadRequest, Message: "The first request must be hello."}, wire.CloseBadMessage)
		return
	}
	switch r := r.(type) {
	case *wire.Hello:
		c.send(&wire.Error{ID: r.ID, Code: wire.BadRequest, Message: "This connection has been welcomed already. Open another one to resume."})
	case *wire.Pong:
		c.pong(r.Ping)
	case *wire.Token:
		c.renew(r)
	case *wire.Bye:
		if err := session.Bye(ctx); err != nil {
			c.refuseRequest(r.ID, err)
			return
		}
		c.send(&wire.OK{ID: r.ID})
	case *wire.Acquire:
		c.about(r.ID, verbEdit, r.Target, func(name string) (editlock.Snapshot, error) {
			return session.Acquire(ctx, editlock.Request{Resource: name, NoWait: r.Wait != nil && !*r.Wait, Move: r.Move})
		})
	case *wire.Confirm:
		c.about(r.ID, verbEdit, r.Target, func(name string) (editlock.Snapshot, error) {
			return session.Confirm(ctx, name, r.Fence)
		})
	case *wire.Release:
		c.about(r.ID, verbEdit, r.Target, func(name string) (editlock.Snapshot, error) {
			return session.Release(ctx, name, r.Fence, r.Version)
		})
	case *wire.Cancel:
		c.about(r.ID, verbEdit, r.Target, func(name string) (editlock.Snapshot, error) {
			return session.Cancel(ctx, name)
		})
	case *wire.Changed:
		c.about(r.ID, verbEdit, r.Target, func(name string) (editlock.Snapshot, error) {
			return session.Changed(ctx, name, r.Fence, r.Version)
		})
	case *wire.Watch:
		if r.Prefix != nil {
			c.watchPrefix(ctx, session, r.ID, *r.Prefix)
			return
		}
		c.about(r.ID, verbWatch, r.Target, func(name string) (editlock.Snapshot, error) {
			return session.Watch(ctx, name, r.Fence)
		})
	case *wire.Unwatch:
		c.unwatch(session, r)
	}
}

// about answers a request about one resource, if one may make it.
func (c *conn) about(id int64, verb string, t wire.Target, f func(name string) (editlock.Snapshot, error)) {
	name, refused := c.name(id, t)
	if refused == nil && !c.may(verb, name) {
		refused = forbidden(id, verb, name)
	}
	if refused != nil {
		c.send(refused)
		return
	}
	c.begin(scope{on: true, resource: name})
	snap, err := f(name)
	if err != nil {
		c.refuseRequest(id, err)
		return
	}
	c.mu.Lock()
	session := c.session
	c.mu.Unlock()
	w := c.snapshot(session, c.settle(snap))
	c.deliver(&wire.OK{ID: id, Snapshot: &w})
}

// name is the canonical name of what a request is about.
func (c *conn) name(id int64, t wire.Target) (string, *wire.Error) {
	if t.Part != "" {
		return "", &wire.Error{ID: id, Code: wire.Unsupported, Message: "This server does not lock parts of a resource yet. Lock the whole."}
	}
	name, err := lease.ParseResource(t.Resource)
	if err != nil {
		return "", &wire.Error{ID: id, Code: wire.BadResource, Message: sentence(err)}
	}
	return name, nil
}

func (c *conn) watchPrefix(ctx context.Context, session *editlock.Conn, id int64, text string) {
	prefix, err := lease.ParsePrefix(text)
	if err != nil {
		c.send(&wire.Error{ID: id, Code: wire.BadResource, Message: sentence(err)})
		return
	}
	c.mu.Lock()
	rights := c.identity.rights
	c.mu.Unlock()
	if !rights.some(verbWatch, prefix) {
		c.send(forbidden(id, verbWatch, prefix+"**"))
		return
	}
	c.begin(scope{on: true, prefix: prefix})
	snaps, more, err := session.WatchPrefix(ctx, prefix, func(name string) bool { return rights.allows(verbWatch, name) })
	if err != nil {
		c.refuseRequest(id, err)
		return
	}
	list := []wire.Snapshot{}
	for _, s := range snaps {
		list = append(list, c.snapshot(session, c.settle(s)))
	}
	c.deliver(&wire.OK{ID: id, Snapshots: list, More: &more})
}

func (c *conn) unwatch(session *editlock.Conn, r *wire.Unwatch) {
	if r.Prefix != nil {
		prefix, err := lease.ParsePrefix(*r.Prefix)
		if err != nil {
			c.send(&wire.Error{ID: r.ID, Code: wire.BadResource, Message: sentence(err)})
			return
		}
		session.UnwatchPrefix(prefix)
	} else {
		name, refused := c.name(r.ID, r.Target)
		if refused != nil {
			c.send(refused)
			return
		}
		session.Unwatch(name)
	}
	c.send(&wire.OK{ID: r.ID})
}

// may says whether the access token gives a right.
func (c *conn) may(verb, resource string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.identity.rights.allows(verb, resource)
}
