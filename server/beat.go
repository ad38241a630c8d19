package server

import (
	"math/rand/v2"
	"time"

	"github.com/editlock/editlock"
	"github.com/editlock/editlock/wire"
)

// beat is the heartbeat of a connection.
type beat struct {
	helloBy time.Time // until the welcome
	greeted bool      // a hello is being answered: its time is that of a request
	next    time.Time // when the next ping is due
	sent    int64     // number of the last ping
	sentAt  time.Time
	waiting bool  // for its pong
	heard   int64 // number of the last pong that the Manager took as a sign of life while it vouched for it
	acked   int64 // number of the last pong that was acknowledged
}

// alarm is called by the wheel. It must not block.
func (c *conn) alarm(now time.Time) {
	defer c.guard("alarm")
	if next := c.beatOnce(now); !next.IsZero() {
		c.srv.wheel.set(c, next)
	}
}

// beatOnce does what is due, and says when to look again; never, once the connection is closing.
func (c *conn) beatOnce(now time.Time) (next time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	o, b := &c.srv.opts, &c.beat
	shut := func(code uint16, why string) {
		c.closing = true
		c.out.add(entry{close: code, why: why})
		c.write()
	}
	switch {
	case c.closing:
		return time.Time{}
	case c.session == nil && b.greeted:
		return now.Add(min(o.HelloTimeout, o.Heartbeat/2)) // the welcome may have set the wheel meanwhile: not to be late for its ping
	case c.session == nil:
		if by := c.opened.Add(o.HelloTimeout); b.helloBy.Before(by) {
			b.helloBy = by
		}
		if !now.Before(b.helloBy) {
			shut(wire.CloseHelloLate, "no hello in time")
			return time.Time{}
		}
		return b.helloBy
	case !now.Before(c.identity.expires):
		shut(wire.CloseTokenExpired, "the access token has expired")
		return time.Time{}
	case b.waiting && !now.Before(b.sentAt.Add(o.PongTimeout)):
		shut(wire.CloseNoPong, "no pong in time")
		return time.Time{}
	case !b.waiting && !now.Before(b.next):
		b.sent++
		b.sentAt, b.waiting = now, true
		b.next = now.Add(spread(o.Heartbeat))
		c.sent(c.out.add(entry{ping: true}))
	}
	next = b.next
	if b.waiting {
		next = b.sentAt.Add(o.PongTimeout) // or sooner: the pong sets the wheel
	}
	if c.identity.expires.Before(next) {
		next = c.identity.expires
	}
	return next
}

// spread varies a heartbeat by a tenth, so that those of many connections do not fall together.
func spread(d time.Duration) time.Duration {
	return time.Duration(float64(d) * (0.9 + 0.2*rand.Float64()))
}

// pong takes the answer to a ping. Any other number is none.
func (c *conn) pong(n int64) {
	c.mu.Lock()
	b := &c.beat
	ok := b.waiting && n == b.sent
	if ok {
		b.waiting = false
	}
	next, session := b.next, c.session
	c.mu.Unlock()
	if !ok {
		return
	}
	if session.Heard() {
		c.mu.Lock()
		b.heard = n
		c.mu.Unlock()
	}
	c.srv.wheel.set(c, next)
}

// ping makes the ping that is due now. It acknowledges nothing, and proves no lock, unless the node vouches for
// it at this moment.
func (c *conn) ping() *wire.Ping {
	c.mu.Lock()
	session, b := c.session, &c.beat
	c.mu.Unlock()
	vouched := session.Vouch()
	p := new(wire.Ping)
	if vouched {
		for _, held := range session.Held() {
			if token, expires := c.srv.lockToken(c.userID(), session, held); token != "" {
				p.Locks = append(p.Locks, wire.LockGrant{Resource: held.Resource, Fence: held.Fence, Token: token, ExpiresIn: expires})
			}
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if vouched {
		b.acked = b.heard
	}
	p.Ping, p.Ack = b.sent, b.acked
	return p
}

// lockToken proves a confirmed hold for as long as it is sure; nothing if that is hardly any time.
func (s *Server) lockToken(user string, session *editlock.Conn, held editlock.HeldLock) (token string, expiresIn wire.Seconds) {
	now := time.Now()
	until := now.Round(0).Add(held.Until.Sub(now)).Truncate(time.Second) // a token counts in whole seconds of wall time
	if until.Sub(now.Round(0)) <= 0 {
		return "", 0
	}
	token, err := wire.SignLock(s.opts.LockKey, wire.Lock{
		User: user, Session: session.Session(), Resource: held.Resource, Fence: held.Fence, Issued: now, Expires: until,
	})
	if err != nil {
		s.log.Error("a lock token could not be signed", "session", session.Session(), "err", err)
		return "", 0
	}
	return token, wire.In(until.Sub(now.Round(0)))
}
