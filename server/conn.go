package server

import (
	"context"
	"errors"
	"net/netip"
	"runtime/debug"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/editlock/editlock"
	"github.com/editlock/editlock/wire"
)

// Bounds of what a client may have under way or get wrong.
const (
	maxPending = 64  // requests that wait for an earlier one
	maxBad     = 10  // bad requests in a row
	maxHellos  = 5   // attempts to authenticate
	refusals   = 100 // messages over the rate before the connection is closed
)

// transport carries the frames of a connection. What limits, authenticates and answers a connection is above it, the same for all.
type transport interface {
	// read hands what arrives to the connection, and returns when the connection has ended.
	read()
	// wait returns when there is somebody to write to, or an error when there is nobody any more. It and the
	// next four are for the writing goroutine alone.
	wait() error
	write(frame []byte) error
	pong(payload []byte) error // of the protocol below, where that has pings
	// flush follows when nothing more waits to be written.
	flush() error
	// end tells the other side why there is nothing more, and lets read return.
	end(code uint16, why string)
	// abort ends everything at once, whatever is under way.
	abort()
	// finish is called once, after read.
	finish()
}

// conn is one connection, a WebSocket or a stream. Three goroutines at most serve it: one reads for as long as it lives, and while
// there is something to do one works through its requests in order and one writes. So a request that waits on the store delays no
// pong, and an idle connection costs one goroutine.
type conn struct {
	srv    *Server
	line   transport
	number int64 // in the log
	addr   netip.Addr
	opened time.Time

	// Of whoever reads, one at a time.
	messages *rate.Limiter
	patience *rate.Limiter
	bad      int // bad requests in a row

	// Of the working goroutine.
	hellos int

	mu       sync.Mutex
	out      outbox
	writing  bool
	closing  bool // no entry follows, and nothing that arrives counts
	pending  []wire.Request
	working  bool
	user     string         // whose it is; empty: not known yet
	counted  bool           // has a place among the connections of its user
	place    place          // among the connections of its address
	host     bool           // has a session that a guest of the address may have come for
	claimed  bool           // a connection that resumes the session is to have its places
	session  *editlock.Conn // nil before the welcome is on its way
	identity *identity      // nil before a good access token
	answers  scope          // what the request under way is about
	heldBack *outbox        // pushes that wait for its answer; nil: none
	asked    int64          // the id of the request under way
	outcome  wire.Code      // of the error that answered it; empty: none did
	beat     beat

	timing // place in the wheel; guarded by the wheel
}

// run reads until the connection ends, and then takes it down.
func (c *conn) run() {
	c.line.read()
	c.mu.Lock()
	c.closing = true
	session := c.session
	c.out.clear()
	c.heldBack, c.pending = nil, nil
	c.mu.Unlock()
	c.srv.wheel.drop(c)
	id := ""
	if session != nil {
		id = session.Session()
		session.Disconnect() // changes nothing but that nobody is told any more
	}
	c.line.finish()
	c.leave()
	c.srv.forget(c, id)
}

// guard, deferred, keeps a panic within this connection.
func (c *conn) guard(what string) {
	if v := recover(); v != nil {
		c.panicked(what, v)
		c.close(wire.CloseInternal, "internal error")
	}
}

func (c *conn) panicked(what string, v any) {
	c.srv.panics.Add(1)
	defer func() { _ = recover() }() // of the log itself
	c.srv.log.Error("a panic ended a connection", "conn", c.number, "in", what, "panic", v, "stack", string(debug.Stack()))
}

// message is called by whoever reads for every message.
func (c *conn) message(text bool, data []byte) {
	defer c.guard("message")
	c.mu.Lock()
	closing, welcomed := c.closing, c.session != nil
	c.mu.Unlock()
	if closing {
		return
	}
	c.srv.tally.received.Add(1)
	now := time.Now()
	allowed := c.messages.AllowN(now, 1)
	if !allowed && !c.forgive(now) {
		return
	}
	if !text {
		c.fail(&wire.Error{Code: wire.BadFrame, Message: "Binary frames are not part of the protocol. Send JSON as text."}, wire.CloseBinary)
		return
	}
	r, refused := wire.DecodeRequest(data)
	switch {
	case refused != nil && refused.Code == wire.BadJSON:
		c.fail(refused, wire.CloseBadMessage)
		return
	case refused != nil:
		if c.bad++; c.bad >= maxBad {
			c.fail(refused, wire.CloseBadMessage)
			return
		}
		c.send(refused)
		return
	}
	c.bad = 0
	if pong, ok := r.(*wire.Pong); ok && welcomed {
		c.pong(pong.Ping) // never behind a request that waits for the store
		return
	}
	if !allowed {
		c.send(&wire.Error{ID: r.RequestID(), Code: wire.RateLimited, Message: "Too many messages. Wait before you repeat it.", RetryAfter: wire.In(wait(c.messages, now))})
		return
	}
	c.enqueue(r)
}

// control counts what is no message, such as a ping or pong of the protocol below, and reports whether it may be answered.
func (c *conn) control() bool {
	now := time.Now()
	if c.messages.AllowN(now, 1) {
		return true
	}
	c.forgive(now)
	return false
}

// forgive notes that the client sends too much, and closes the connection if it has done so for long.
func (c *conn) forgive(now time.Time) bool {
	if c.patience.AllowN(now, 1) {
		return true
	}
	c.close(wire.CloseTooMany, "too many messages")
	return false
}

// enqueue hands a request to the working goroutine.
func (c *conn) enqueue(r wire.Request) {
	c.mu.Lock()
	full := len(c.pending) >= maxPending
	start := !full && !c.working && !c.closing
	if !full && !c.closing {
		c.pending = append(c.pending, r)
	}
	c.working = c.working || start
	c.mu.Unlock()
	switch {
	case full:
		c.send(&wire.Error{ID: r.RequestID(), Code: wire.RateLimited, Message: "Too many requests wait for an answer. Repeat it after that.", RetryAfter: 1})
	case start:
		c.srv.pool.run(c.work)
	}
}

// work does the requests that there are, one after the other.
func (c *conn) work() {
	defer c.guard("request") // after a panic working stays true: nothing follows
	for {
		c.mu.Lock()
		if len(c.pending) == 0 || c.closing {
			c.pending = nil
			c.working = false
			c.mu.Unlock()
			return
		}
		r := c.pending[0]
		c.pending = c.pending[1:]
		c.mu.Unlock()
		ctx, cancel := context.WithTimeout(c.srv.ctx, c.srv.opts.RequestTimeout)
		c.doObserved(ctx, r)
		cancel()
	}
}

// send puts a message into the outbox.
func (c *conn) send(f wire.Frame) {
	if e, ok := f.(*wire.Error); ok {
		c.failed(e)
	}
	frame, err := wire.Encode(f)
	if err != nil {
		// Text that is not UTF-8 can come from a name in an old record at most.
		c.srv.log.Error("a message could not be encoded", "conn", c.number, "type", f.Kind(), "err", err)
		c.close(wire.CloseInternal, "internal error")
		return
	}
	c.put(entry{frame: frame})
}

// fail sends an error, and closes the connection after it.
func (c *conn) fail(e *wire.Error, code uint16) {
	c.send(e)
	c.close(code, string(e.Code))
}

// close sends what waits and then closes the connection with a code.
func (c *conn) close(code uint16, why string) {
	c.mu.Lock()
	if !c.closing {
		c.closing = true
		c.out.add(entry{close: code, why: why})
		c.write()
	}
	c.mu.Unlock()
}

func (c *conn) put(e entry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closing {
		c.sent(c.out.add(e))
	}
}

// sent follows every addition to the outbox: it wakes the writer, or cuts off a client that is too far behind. That
// costs it nothing but the connection: it is told what holds when it comes back. mu is held.
func (c *conn) sent(full bool) {
	if full {
		c.closing = true
		c.out.clear()
		c.out.add(entry{close: wire.CloseTooSlow, why: "reads too slowly"})
		c.srv.log.Info("a client that reads too slowly was cut off", "conn", c.number)
	}
	c.write()
}

// sendPong answers a ping of the protocol below. Only the last one matters.
func (c *conn) sendPong(payload []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closing {
		c.out.pong = append([]byte{}, payload...)
		c.write()
	}
}

// write starts the writing goroutine if there is none. mu is held.
func (c *conn) write() {
	if !c.writing {
		c.writing = true
		c.srv.pool.run(c.flush)
	}
}

// flush writes until nothing waits.
func (c *conn) flush() {
	defer func() {
		if v := recover(); v != nil {
			c.panicked("write", v)
			c.mu.Lock()
			closing := c.closing
			c.writing = false
			c.mu.Unlock()
			if closing {
				c.line.abort() // nothing is left to be said
			}
			c.close(wire.CloseInternal, "internal error")
		}
	}()
	for unsent := false; ; {
		c.mu.Lock()
		empty := c.out.empty()
		if empty && !unsent {
			c.writing = false
			c.mu.Unlock()
			return
		}
		c.mu.Unlock()
		var err error
		if empty {
			unsent, err = false, c.line.flush()
		} else if err = c.line.wait(); err == nil {
			unsent, err = true, c.writeNext()
		}
		if err != nil {
			return // the transport has ended the connection, and the reader notices; writing stays true: nothing follows
		}
	}
}

var errEnded = errors.New("server: the connection has ended")

// writeNext writes what is to be sent first.
func (c *conn) writeNext() error {
	c.mu.Lock()
	pong := c.out.pong
	c.out.pong = nil
	var e entry
	ok := true
	if pong == nil {
		e, ok = c.out.next()
	}
	c.mu.Unlock()
	switch {
	case pong != nil:
		return c.line.pong(pong)
	case !ok: // cleared meanwhile
		return nil
	case e.close != 0:
		c.srv.log.Debug("closing", "conn", c.number, "code", e.close, "why", e.why)
		c.srv.tally.close(e.close)
		c.line.end(e.close, e.why)
		return errEnded
	}
	return c.line.write(c.render(e))
}
