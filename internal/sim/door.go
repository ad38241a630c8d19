package sim

import (
	"context"
	"errors"
	"time"

	"github.com/editlock/editlock"
)

// kind says what a message is.
type kind int

const (
	hello kind = iota
	acquire
	confirm
	release
	cancel
	changed
	bye
	pong
	// From here on from the node to the page.
	welcome
	answer
	push
	ping
	move
	closed
)

var kinds = [...]string{"hello", "acquire", "confirm", "release", "cancel", "changed", "bye", "pong", "welcome", "answer", "push", "ping", "move", "closed"}

// message is one frame.
type message struct {
	kind kind
	id   int // of the request, and of its answer

	// Requests.
	resume  *editlock.Resume
	nonce   string
	user    editlock.User
	ask     editlock.Request
	fence   int64
	version string
	ping    int64
	sent    time.Time // the judge's clock, when a page sent a hello or pong

	// Answers and pushes.
	err       error
	snap      *editlock.Snapshot
	snapshots []editlock.Snapshot
	session   string
	epoch     int64
	resumed   bool
	ack       int64
	within    time.Duration
	code      code
}

// code says how a connection ended.
type code int

const (
	lost code = iota // 1006
	restart
	noPong
	replaced
	reused
	refusedHello
)

// door is the server's side of a connection: what package server does, without frames.
type door struct {
	p      *process
	l      *link
	number int
	conn   *editlock.Conn // set by the worker before the welcome

	// Guarded by w.mu.
	queue   []*message
	working bool
	gone    bool
	pings   int64
	waiting time.Time // for the pong to the last ping, since; zero: not
	heard   int64
	vouched int64
	pongs   map[int64]time.Time // when the page sent them
	heldUp  []*message          // pushes before the welcome
	greeted bool
}

// take gets a message from the page.
func (d *door) take(m *message) {
	if !d.p.running() {
		return
	}
	w := d.p.h.w
	if m.kind == pong {
		d.pong(m)
		return
	}
	w.mu.Lock()
	if d.gone {
		w.mu.Unlock()
		return
	}
	d.queue = append(d.queue, m)
	start := !d.working
	d.working = true
	w.mu.Unlock()
	if start {
		d.work()
	}
}

// work does the requests in their order.
func (d *door) work() {
	w := d.p.h.w
	for {
		w.mu.Lock()
		if len(d.queue) == 0 || d.gone {
			d.working, d.queue = false, nil
			w.mu.Unlock()
			return
		}
		m := d.queue[0]
		d.queue = d.queue[1:]
		w.mu.Unlock()
		ctx, cancel := context.WithTimeout(w.ctx, 10*time.Second)
		d.do(ctx, m)
		cancel()
	}
}

func (d *door) do(ctx context.Context, m *message) {
	if m.kind == hello {
		d.hello(ctx, m)
		return
	}
	if d.conn == nil {
		return
	}
	var s editlock.Snapshot
	var err error
	switch m.kind {
	case acquire:
		judge, session := d.p.h.w.judge, d.conn.Session()
		judge.serves(session, m.ask.Resource, 1, nil)
		s, err = d.conn.Acquire(ctx, m.ask)
		judge.serves(session, m.ask.Resource, -1, err)
	case confirm:
		s, err = d.conn.Confirm(ctx, m.ask.Resource, m.fence)
	case release:
		s, err = d.conn.Release(ctx, m.ask.Resource, m.fence, m.version)
	case cancel:
		s, err = d.conn.Cancel(ctx, m.ask.Resource)
	case changed:
		s, err = d.conn.Changed(ctx, m.ask.Resource, m.fence, m.version)
	case bye:
		err = d.conn.Bye(ctx)
	}
	if err == nil {
		d.p.h.w.judge.told(d, m.ask.Resource, s)
	}
	d.push(&message{kind: answer, id: m.id, snap: &s, err: err, ask: m.ask, fence: m.fence})
}

func (d *door) hello(ctx context.Context, m *message) {
	w := d.p.h.w
	w.mu.Lock()
	again := d.greeted
	d.greeted = true
	w.mu.Unlock()
	if again {
		return
	}
	var had map[string]int64
	if m.resume != nil {
		had = w.judge.holds(m.resume.Session)
	}
	c, err := d.p.m.Connect(ctx, editlock.Connect{
		User: m.user, Resume: m.resume, Nonce: m.nonce,
		Notify: func(s editlock.Snapshot) {
			w.judge.told(d, s.Resource, s)
			d.push(&message{kind: push, snap: &s})
		},
		Closed: func(err error) {
			if errors.Is(err, editlock.ErrReplaced) {
				d.close(replaced)
			} else {
				d.close(restart)
			}
		},
	})
	if err != nil {
		w.say(d.p.name(), "refuses %s: %v", m.user.ID, err)
		code := refusedHello
		if errors.Is(err, editlock.ErrResumeReused) {
			code = reused
		}
		d.push(&message{kind: answer, id: m.id, err: err})
		d.close(code)
		return
	}
	w.mu.Lock()
	d.conn = c
	gone := d.gone
	w.judge.welcomed(m.user.ID, c.Session(), c.Epoch(), d.p, m.sent)
	w.mu.Unlock()
	if gone {
		c.Disconnect()
		return
	}
	for _, s := range c.Snapshots() {
		w.judge.told(d, s.Resource, s)
	}
	w.judge.cameBack(c, had)
	d.push(&message{kind: welcome, id: m.id, session: c.Session(), epoch: c.Epoch(), resumed: c.Resumed(), snapshots: c.Snapshots(), nonce: m.nonce})
	d.beat()
}

// beat plans the next ping.
func (d *door) beat() {
	w := d.p.h.w
	beat := d.p.m.Config().Heartbeat()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.later(time.Duration(float64(beat)*(0.9+0.2*w.rng.Float64())), func() {
		w.mu.Unlock()
		d.ping()
		w.mu.Lock()
	})
}

// ping sends one, and ends the connection when no pong came to the last.
func (d *door) ping() {
	if !d.p.running() {
		return
	}
	w := d.p.h.w
	timeout := d.p.m.Config().PongTimeout()
	w.mu.Lock()
	late := !d.waiting.IsZero() && time.Since(d.waiting) >= timeout
	gone, waiting := d.gone, !d.waiting.IsZero()
	w.mu.Unlock()
	switch {
	case gone:
		return
	case late:
		d.close(noPong)
		return
	case !waiting:
		vouches := d.conn.Vouch()
		w.mu.Lock()
		if vouches {
			d.vouched = d.heard
			if at, ok := d.pongs[d.vouched]; ok {
				w.judge.acked(d.conn.Session(), at)
				delete(d.pongs, d.vouched)
			}
		}
		d.pings++
		d.waiting = time.Now()
		m := &message{kind: ping, ping: d.pings, ack: d.vouched}
		w.mu.Unlock()
		d.push(m)
	}
	d.beat()
}

func (d *door) pong(m *message) {
	w := d.p.h.w
	w.mu.Lock()
	ok := d.conn != nil && !d.gone && m.ping == d.pings && !d.waiting.IsZero()
	if ok {
		d.waiting = time.Time{}
		if d.pongs == nil {
			d.pongs = map[int64]time.Time{}
		}
		clear(d.pongs)
		d.pongs[m.ping] = m.sent
	}
	w.mu.Unlock()
	if ok && d.conn.Heard() {
		w.mu.Lock()
		d.heard = m.ping
		w.judge.known(d.conn.Session()).heard = time.Now()
		w.mu.Unlock()
	}
}

// push sends a message to the page, from a process that runs.
func (d *door) push(m *message) {
	w := d.p.h.w
	w.mu.Lock()
	stopped, over := d.p.stopped, d.p.over
	w.mu.Unlock()
	switch {
	case over:
		return
	case stopped != nil:
		go func() { // what it would say now it says when it goes on
			if d.p.running() {
				d.push(m)
			}
		}()
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if d.gone {
		return
	}
	if m.kind == push && d.conn == nil {
		d.heldUp = append(d.heldUp, m)
		return
	}
	d.l.toPage(m)
	if m.kind == welcome {
		for _, h := range d.heldUp {
			d.l.toPage(h)
		}
		d.heldUp = nil
	}
}

// close ends the connection from this side.
func (d *door) close(c code) {
	d.push(&message{kind: closed, code: c})
	d.broken()
}

// broken is the end of the connection, however it came.
func (d *door) broken() {
	w := d.p.h.w
	w.mu.Lock()
	gone, conn := d.gone, d.conn
	d.gone = true
	delete(d.p.doors, d)
	if !gone {
		d.l.end()
	}
	w.mu.Unlock()
	if !gone && conn != nil {
		conn.Disconnect()
	}
}
