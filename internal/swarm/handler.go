package swarm

import (
	"github.com/lxzan/gws"

	"github.com/editlock/editlock/wire"
)

// handler is one connection of a page.
type handler struct {
	gws.BuiltinEventHandler
	p *Page
}

func (h *handler) OnClose(conn *gws.Conn, err error) {
	p := h.p
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.conn != conn {
		return
	}
	if err == nil {
		err = ErrDisconnected
	}
	p.conn, p.closed = nil, err
	for _, answer := range p.pending {
		close(answer)
	}
	p.pending = nil
	p.wake()
}

func (h *handler) OnMessage(conn *gws.Conn, message *gws.Message) {
	defer func() { _ = message.Close() }()
	f, err := wire.DecodeReply(message.Bytes())
	if err != nil {
		_ = conn.NetConn().Close() // no server of ours sends that
		return
	}
	p := h.p
	switch f := f.(type) {
	case *wire.Ping:
		p.mu.Lock()
		deaf := p.deaf
		for _, g := range f.Locks {
			p.locks[g.Resource] = g
		}
		p.mu.Unlock()
		if data, err := wire.Encode(&wire.Pong{Ping: f.Ping}); err == nil && !deaf {
			_ = conn.WriteMessage(gws.OpcodeText, data)
		}
	case *wire.Snapshot:
		p.take(*f)
	case *wire.OK:
		p.reply(f.ID, f)
	case *wire.Error:
		p.reply(f.ID, f)
	case *wire.Welcome:
		p.reply(f.ID, f)
	}
}

func (p *Page) reply(id int64, f wire.Frame) {
	p.mu.Lock()
	answer := p.pending[id]
	delete(p.pending, id)
	p.mu.Unlock()
	if answer != nil {
		answer <- f
	}
}
