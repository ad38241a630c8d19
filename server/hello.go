package server

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/editlock/editlock"
	"github.com/editlock/editlock/wire"
)

// hello authenticates the connection and gives it a session.
func (c *conn) hello(ctx context.Context, h *wire.Hello) {
	if c.hellos++; c.hellos > maxHellos {
		c.fail(&wire.Error{ID: h.ID, Code: wire.BadRequest, Message: "Too many attempts to say hello on one connection."}, wire.CloseBadMessage)
		return
	}
	c.mu.Lock()
	c.beat.greeted = true
	c.mu.Unlock()
	id, err := c.srv.opts.Access.verify(h.Token, time.Now())
	if err != nil {
		c.srv.refusedToken(err, "conn", c.number, "addr", c.addr)
		c.fail(&wire.Error{ID: h.ID, Code: wire.Unauthenticated, Message: "The access token was refused: " + why(err) + "."}, wire.CloseTokenRefused)
		return
	}
	c.srv.unknownRight(id)
	c.mu.Lock()
	c.identity = id // pushes may come before the welcome
	c.mu.Unlock()
	ask := editlock.Connect{User: id.user, Nonce: h.Nonce, Notify: c.push, Closed: c.ended}
	if h.Resume != "" {
		token, err := wire.VerifyResume(c.srv.opts.ResumeSecret, h.Resume)
		if err != nil || token.User != id.user.ID {
			c.retryHello(&wire.Error{ID: h.ID, Code: wire.ResumeRefused, Message: "The session cannot be resumed. Say hello without \"resume\" to begin a new one."})
			return
		}
		ask.Resume = &editlock.Resume{Session: token.Session, Epoch: token.Epoch}
	}
	var old *conn // whose places this one is to have
	if !c.placed(id.user.ID) {
		if old = c.predecessor(id.user.ID, ask.Resume); old == nil {
			c.refuseHello(h.ID, editlock.ErrTooManySessions)
			return
		}
	}
	session, err := c.srv.m.Connect(ctx, ask)
	if old != nil {
		c.inherit(old, id.user.ID, err == nil && session.Resumed())
		if err == nil && !c.placed(id.user.ID) {
			session.Disconnect()
			err = editlock.ErrTooManySessions
		}
	}
	if err != nil {
		c.refuseHello(h.ID, err)
		return
	}
	c.welcome(h.ID, id, session)
}

// why is what is wrong with an access token, and what helps.
func why(err error) string {
	if errors.Is(err, wire.ErrExpired) {
		return "it has expired. Get a new one"
	}
	return strings.TrimPrefix(err.Error(), wire.ErrBadToken.Error()+": ")
}

// refuseHello says why there is no session. The connection stays where another hello can help.
func (c *conn) refuseHello(id int64, err error) {
	e, code := explain(id, err)
	switch {
	case errors.Is(err, editlock.ErrTooManySessions):
		code = wire.CloseTooMany
		if _, ofAddress := c.lacks(""); ofAddress {
			e.Message = tooManyHere
		}
	case errors.Is(err, editlock.ErrResumeReused):
		code = wire.CloseResumeReused
	}
	if code != 0 {
		c.fail(e, code)
		return
	}
	c.retryHello(e)
}

// retryHello answers with an error and gives the client its time for another hello.
func (c *conn) retryHello(e *wire.Error) {
	c.mu.Lock()
	c.beat.greeted = false
	c.beat.helloBy = time.Now().Add(c.srv.opts.HelloTimeout)
	c.heldBack = nil
	c.mu.Unlock()
	c.send(e)
}

func (c *conn) welcome(id int64, who *identity, session *editlock.Conn) {
	now := time.Now()
	cfg, o := c.srv.m.Config(), &c.srv.opts
	w := &wire.Welcome{
		ID: id, Session: session.Session(), Epoch: session.Epoch(), Resumed: session.Resumed(),
		Resume: wire.SignResume(o.ResumeSecret, wire.Resume{Session: session.Session(), User: who.user.ID, Epoch: session.Epoch()}),
		User:   wire.User{ID: who.user.ID, Name: who.user.Name},
		TTL:    wire.In(cfg.TTL), Margin: wire.In(cfg.Margin()),
		Heartbeat: wire.In(o.Heartbeat), PongTimeout: wire.In(o.PongTimeout),
		Rights: who.rights.verbs(), TokenExpiresIn: wire.In(who.expires.Sub(now)), Snapshots: []wire.Snapshot{},
	}
	for _, s := range session.Snapshots() {
		if who.rights.allows(verbWatch, s.Resource) {
			w.Snapshots = append(w.Snapshots, c.snapshot(session, c.settle(s)))
		}
	}
	frame, err := wire.Encode(w)
	if err != nil {
		panic(err) // ends this connection
	}
	c.mu.Lock()
	gone := c.closing
	if !gone {
		c.session = session
		c.srv.attach(c, session.Session())
		c.host = true
		c.srv.admission.host(c.addr)
		c.beat.next = now.Add(spread(o.Heartbeat))
		c.sent(c.out.add(entry{frame: frame}))
		c.release()
	}
	next := c.beat.next
	c.mu.Unlock()
	if gone {
		session.Disconnect()
		return
	}
	if who.expires.Before(next) {
		next = who.expires
	}
	c.srv.wheel.set(c, next)
	c.srv.log.Debug("welcome", "conn", c.number, "user", clip(who.user.ID), "session", session.Session(), "resumed", session.Resumed())
}

// ended is called by the Manager when it ends the connection.
func (c *conn) ended(why error) {
	defer c.guard("ended")
	switch {
	case errors.Is(why, editlock.ErrReplaced):
		c.close(wire.CloseReplaced, "a newer connection has taken the session over")
	case errors.Is(why, editlock.ErrShuttingDown):
		c.close(wire.CloseRestart, "the server is stopping")
	default:
		// The session may be resumed: the node was taken for dead, say.
		c.close(wire.CloseRestart, "resume the session")
	}
}

// renew takes a fresh access token.
func (c *conn) renew(r *wire.Token) {
	now := time.Now()
	id, err := c.srv.opts.Access.verify(r.Token, now)
	if err == nil && id.user.ID != c.userID() {
		err = refuse("it is of another user")
	}
	if err != nil {
		c.srv.refusedToken(err, "conn", c.number, "addr", c.addr, "fresh", true)
		c.send(&wire.Error{ID: r.ID, Code: wire.Unauthenticated, Message: "The access token was refused: " + why(err) + ". The one before goes on until it expires."})
		return
	}
	c.mu.Lock()
	c.identity = id
	c.mu.Unlock()
	c.send(&wire.OK{ID: r.ID, TokenExpiresIn: wire.In(id.expires.Sub(now))})
}
