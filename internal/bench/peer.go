package bench

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/lxzan/gws"

	"github.com/editlock/editlock/wire"
)

// peer is a client of the protocol, as small as it can be: it answers pings, and keeps answers and grants for whoever waits for them.
type peer struct {
	gws.BuiltinEventHandler
	conn    *gws.Conn
	answers chan wire.Frame
	grants  chan grant
	ended   chan struct{}
	err     error // why, once ended is closed
	id      int64
	heard   *atomic.Int64 // counts what arrives
}

// grant is the news that it is this peer's turn, and when it arrived.
type grant struct {
	at    time.Time
	fence int64
}

func dial(url string, heard *atomic.Int64) (*peer, error) {
	p := &peer{heard: heard, answers: make(chan wire.Frame, 16), grants: make(chan grant, 16), ended: make(chan struct{})}
	conn, _, err := gws.NewClient(p, &gws.ClientOption{
		Addr:             url,
		RequestHeader:    http.Header{"Sec-WebSocket-Protocol": {wire.Subprotocol}},
		HandshakeTimeout: 30 * time.Second,
	})
	if err != nil {
		return nil, err
	}
	p.conn = conn
	go conn.ReadLoop()
	return p, nil
}

// close ends the connection and waits until its reader has ended.
func (p *peer) close() {
	_ = p.conn.NetConn().Close()
	<-p.ended
}

func (p *peer) OnClose(_ *gws.Conn, err error) {
	p.err = err
	close(p.ended)
}

func (p *peer) OnMessage(conn *gws.Conn, message *gws.Message) {
	at := time.Now()
	defer func() { _ = message.Close() }()
	p.heard.Add(1)
	f, err := wire.DecodeReply(message.Bytes())
	if err != nil {
		return
	}
	switch f := f.(type) {
	case *wire.Ping:
		_ = p.send(&wire.Pong{Ping: f.Ping})
	case *wire.Snapshot:
		if f.Mine != nil && f.Mine.State == "granted" {
			select {
			case p.grants <- grant{at, f.Mine.Fence}:
			default: // told again and again, and nobody waits for it
			}
		}
	case *wire.OK, *wire.Error, *wire.Welcome:
		p.answers <- f
	}
}

func (p *peer) send(f wire.Frame) error {
	b, err := wire.Encode(f)
	if err != nil {
		return err
	}
	return p.conn.WriteMessage(gws.OpcodeText, b)
}

// answer waits for the answer to the request that was sent last.
func (p *peer) answer(ctx context.Context) (wire.Frame, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	select {
	case f := <-p.answers:
		if e, ok := f.(*wire.Error); ok {
			return nil, e
		}
		return f, nil
	case <-p.ended:
		return nil, fmt.Errorf("the connection ended: %w", p.err)
	case <-ctx.Done():
		return nil, fmt.Errorf("no answer: %w", ctx.Err())
	}
}

// mine sends a request about a resource and returns where the peer then stands.
func (p *peer) mine(ctx context.Context, r wire.Request) (wire.Mine, error) {
	if err := p.send(r); err != nil {
		return wire.Mine{}, err
	}
	f, err := p.answer(ctx)
	if err != nil {
		return wire.Mine{}, fmt.Errorf("%s: %w", r.Kind(), err)
	}
	ok, is := f.(*wire.OK)
	if !is || ok.Snapshot == nil || ok.Snapshot.Mine == nil {
		return wire.Mine{}, nil
	}
	return *ok.Snapshot.Mine, nil
}

func (p *peer) next() int64 {
	p.id++
	return p.id
}

// hello makes a session.
func (p *peer) hello(ctx context.Context, token string) error {
	var random [16]byte
	_, _ = rand.Read(random[:])
	if err := p.send(&wire.Hello{ID: p.next(), Token: token, Nonce: wire.NewNonce(random)}); err != nil {
		return err
	}
	f, err := p.answer(ctx)
	if err != nil {
		return fmt.Errorf("hello: %w", err)
	}
	if _, ok := f.(*wire.Welcome); !ok {
		return fmt.Errorf("hello was answered by %s", f.Kind())
	}
	return nil
}

// turn waits until the peer is granted what it waits for, with a fence above one that it knows: of an older grant it may be told again.
func (p *peer) turn(ctx context.Context, above int64) (grant, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		select {
		case g := <-p.grants:
			if g.fence > above {
				return g, nil
			}
		case <-p.ended:
			return grant{}, fmt.Errorf("the connection ended: %w", p.err)
		case <-ctx.Done():
			return grant{}, fmt.Errorf("no grant came: %w", ctx.Err())
		}
	}
}
