//go:build linux

package nemesis

import (
	"context"
	"crypto/rand"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/lxzan/gws"

	"github.com/editlock/editlock/internal/history"
	"github.com/editlock/editlock/lease"
	"github.com/editlock/editlock/wire"
)

// conns numbers the connections of this process; the process id keeps those of others apart.
var conns atomic.Int64

func number(pid int) int64 { return int64(pid)<<32 | conns.Add(1) }

// conn is one connection of a page.
type conn struct {
	gws.BuiltinEventHandler
	p       *page
	ws      *gws.Conn
	number  int64
	session string // once welcomed; under p.mu, as all that follows
	belief  lease.Belief
	sent    map[int64]int64         // when pongs were sent
	known   map[string]history.Snap // the newest of each resource
	pending map[int64]chan wire.Frame
	id      int64
	ended   bool
}

func clocks() lease.Clocks {
	return lease.Clocks{Mono: time.Duration(now()), Wall: time.Duration(time.Now().UnixNano())}
}

func nonce() string {
	var b [16]byte
	_, _ = rand.Read(b[:])
	return wire.NewNonce(b)
}

// dial opens a connection, and says nothing on it yet.
func (p *page) dial() (*conn, error) {
	c := &conn{p: p, number: number(p.pid), sent: map[int64]int64{}, known: map[string]history.Snap{}, pending: map[int64]chan wire.Frame{}}
	ws, _, err := gws.NewClient(c, &gws.ClientOption{
		Addr:             "ws://" + p.cable + "/editlock/v1/socket",
		RequestHeader:    http.Header{"Sec-WebSocket-Protocol": {wire.Subprotocol}},
		HandshakeTimeout: 4 * time.Second,
		NewDialer: func() (gws.Dialer, error) {
			return &net.Dialer{Timeout: 4 * time.Second}, nil
		},
	})
	if err != nil {
		return nil, err
	}
	c.ws = ws
	go ws.ReadLoop()
	return c, nil
}

// drop ends the connection without a word.
func (c *conn) drop() { _ = c.ws.NetConn().Close() }

func (c *conn) sessionID() string {
	c.p.mu.Lock()
	defer c.p.mu.Unlock()
	return c.session
}

func (c *conn) port() int { return c.ws.LocalAddr().(*net.TCPAddr).Port }

func (c *conn) OnClose(_ *gws.Conn, err error) {
	text := "closed"
	if err != nil {
		text = err.Error()
	}
	c.p.say(history.Line{Kind: history.Closed, Client: c.p.name, Session: c.sessionID(), Conn: c.number, Port: c.port(), Text: text})
	c.p.mu.Lock()
	defer c.p.mu.Unlock()
	c.ended = true
	for id, answer := range c.pending {
		close(answer)
		delete(c.pending, id)
	}
	c.p.wake()
}

func (c *conn) OnMessage(_ *gws.Conn, message *gws.Message) {
	defer func() { _ = message.Close() }()
	f, err := wire.DecodeReply(message.Bytes())
	if err != nil {
		c.p.say(history.Line{Kind: history.Stuck, Client: c.p.name, Conn: c.number, Text: "an answer that cannot be read: " + err.Error()})
		c.drop()
		return
	}
	switch f := f.(type) {
	case *wire.Ping:
		c.ping(f)
	case *wire.Snapshot:
		s := snap(*f)
		c.p.say(history.Line{Kind: history.Push, Client: c.p.name, Session: c.sessionID(), Conn: c.number, Snap: &s})
		c.p.take(c, s)
	case *wire.OK:
		c.reply(f.ID, f)
	case *wire.Error:
		c.reply(f.ID, f)
	case *wire.Welcome:
		c.reply(f.ID, f)
	}
}

func (c *conn) reply(id int64, f wire.Frame) {
	c.p.mu.Lock()
	defer c.p.mu.Unlock()
	if answer := c.pending[id]; answer != nil {
		answer <- f
		delete(c.pending, id)
	}
}

// ping takes up what the server acknowledges, and answers.
func (c *conn) ping(f *wire.Ping) {
	p := c.p
	at := clocks()
	p.mu.Lock()
	deaf := p.deaf
	sent, session := c.sent[f.Ack], c.session
	c.belief = c.belief.Acked(f.Ack, at)
	until := int64(at.Mono + c.belief.Left(at))
	for n := range c.sent {
		if n <= f.Ack {
			delete(c.sent, n)
		}
	}
	if !deaf { // a page that is frozen handles no message
		c.belief = c.belief.Ponged(f.Ping, at)
		c.sent[f.Ping] = int64(at.Mono)
	}
	p.mu.Unlock()
	if deaf {
		return
	}
	if data, err := wire.Encode(&wire.Pong{Ping: f.Ping}); err == nil {
		_ = c.ws.WriteMessage(gws.OpcodeText, data)
	}
	if sent == 0 {
		return
	}
	l := history.Line{Kind: history.Heard, T: int64(at.Mono), Client: p.name, Session: session, Conn: c.number, Sent: sent, Until: until}
	for _, g := range f.Locks {
		if k, err := wire.VerifyLock(wire.Keys{signingKey}, g.Token, time.Now()); err == nil {
			l.Locks = append(l.Locks, history.Lock{Resource: g.Resource, Fence: k.Fence, Exp: k.Expires.Unix()})
		}
	}
	p.say(l)
}

func snap(s wire.Snapshot) history.Snap {
	h := history.Snap{Resource: s.Resource, Rev: s.Revision, State: string(s.State), Waiting: s.Waiting, Version: s.Version}
	if s.Holder != nil {
		h.Holder, h.You = s.Holder.User, s.Holder.You
	}
	if s.Mine != nil {
		h.Mine, h.Fence, h.Position = s.Mine.State, s.Mine.Fence, s.Mine.Position
	}
	if s.Ended != nil {
		h.Ended, h.Reason = s.Ended.Fence, s.Ended.Reason
	}
	return h
}

// ask sends a request and waits for its answer. It writes both down: l says what is asked. The code is lost if there is
// no answer.
func (c *conn) ask(ctx context.Context, patience time.Duration, l history.Line, make func(id int64) wire.Request) (wire.Frame, history.Line) {
	p := c.p
	l.Kind, l.Client, l.User, l.Session, l.Conn, l.Op, l.Port = history.Call, p.name, p.user, c.sessionID(), c.number, number(p.pid), c.port()
	answer := newAnswer()
	p.mu.Lock()
	gone := c.ended
	c.id++
	id := c.id
	if !gone {
		c.pending[id] = answer
	}
	p.mu.Unlock()
	back := l
	back.Text = ""
	back.Kind, back.Code = history.Return, "lost"
	if gone {
		return nil, back // nothing was asked
	}
	l.T = now()
	p.say(l)
	data, err := wire.Encode(make(id))
	if err == nil {
		err = c.ws.WriteMessage(gws.OpcodeText, data)
	}
	var f wire.Frame
	if err == nil {
		timer := time.NewTimer(patience)
		defer timer.Stop()
		select {
		case f = <-answer:
		case <-timer.C:
			c.drop() // a page that gets no answer opens another connection
		case <-ctx.Done():
		}
	}
	back.T = now()
	switch f := f.(type) {
	case *wire.Error:
		back.Code = string(f.Code)
		if f.Snapshot != nil {
			s := snap(*f.Snapshot)
			back.Snap = &s
		}
	case *wire.OK:
		back.Code = "ok"
		if f.Snapshot != nil {
			s := snap(*f.Snapshot)
			back.Snap = &s
		}
	case *wire.Welcome:
		back.Code, back.Session, back.Resumed = "ok", f.Session, f.Resumed
		for _, s := range f.Snapshots {
			back.Snaps = append(back.Snaps, snap(s))
		}
	}
	p.say(back)
	if back.Snap != nil {
		p.take(c, *back.Snap)
	}
	return f, back
}

func newAnswer() chan wire.Frame { return make(chan wire.Frame, 1) }
