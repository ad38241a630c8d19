package server

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync/atomic"
	"time"

	"github.com/lxzan/gws"
	"golang.org/x/time/rate"

	"github.com/editlock/editlock/wire"
)

// drainBytes is how much of what a client still sends is read after the close, so that the reason is not lost
// to a reset of the connection.
const drainBytes = 4 << 20

var errFlood = errors.New("server: more bytes than messages of full size could have")

// socket is the transport by WebSocket, and the network connection under it. It gives every write a deadline, limits the bytes that
// a client may send (fragments and control frames are not messages, and would count nowhere else), and closes so
// that the other side learns the reason, if it takes it in within the time that a write may take.
type socket struct {
	net.Conn
	conn    *conn
	ws      *gws.Conn // nil before the handshake is answered
	bytes   *rate.Limiter
	broken  atomic.Bool // a frame was written in part: nothing may follow
	closing atomic.Bool
	ended   atomic.Bool // with a code that is counted
}

func newSocket(raw net.Conn, c *conn, o Options) *socket {
	n := o.Rate * o.MaxMessage
	return &socket{Conn: raw, conn: c, bytes: rate.NewLimiter(rate.Limit(n), 2*n)}
}

func (s *socket) Read(p []byte) (int, error) {
	n, err := s.Conn.Read(p)
	if err == nil && !s.bytes.AllowN(time.Now(), n) {
		s.cut(wire.CloseTooMany, "too many bytes")
		err = errFlood
	}
	return n, err
}

func (s *socket) Write(p []byte) (int, error) {
	s.count(p)
	if s.broken.Load() {
		return 0, net.ErrClosed
	}
	if err := s.Conn.SetWriteDeadline(time.Now().Add(s.timeout())); err != nil {
		return 0, err
	}
	n, err := s.Conn.Write(p)
	if err != nil {
		s.broken.Store(true)
	}
	return n, err
}

// count counts a close frame that the library sends of its own accord, since what came was no frame; but not one that answers that of the
// client, or the end of the network connection.
func (s *socket) count(frame []byte) {
	if len(frame) < 4 || frame[0] != closeFrame || s.ended.Swap(true) {
		return
	}
	switch code := binary.BigEndian.Uint16(frame[2:]); code {
	case wire.CloseProtocol, wire.CloseBadText, wire.CloseTooBig:
		s.conn.srv.tally.close(code)
	}
}

// closeFrame is how a close frame begins.
const closeFrame = 0x88

// Close ends our half of the connection; run ends the other. After a broken write there is nothing to wait for.
func (s *socket) Close() error {
	if s.broken.Load() {
		s.abort()
		return nil
	}
	if s.closing.Swap(true) {
		return nil
	}
	if half, ok := s.Conn.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
	return s.SetReadDeadline(time.Now().Add(s.timeout()))
}

// abort drops what the kernel still holds for a client that does not take it.
func (s *socket) abort() {
	if tcp, ok := s.Conn.(interface{ SetLinger(int) error }); ok {
		_ = tcp.SetLinger(0)
	}
	_ = s.Conn.Close()
}

// timeout is how long a write may take.
func (s *socket) timeout() time.Duration { return s.conn.srv.opts.WriteTimeout }

func (s *socket) read() {
	defer func() {
		// The library panics on a frame whose length is negative, and then has closed nothing.
		if v := recover(); v != nil {
			s.conn.panicked("read", v)
			s.cut(wire.CloseInternal, "")
		}
	}()
	s.ws.ReadLoop()
}

func (s *socket) wait() error               { return nil }
func (s *socket) flush() error              { return nil }
func (s *socket) write(frame []byte) error  { return s.ws.WriteMessage(gws.OpcodeText, frame) }
func (s *socket) pong(payload []byte) error { return s.ws.WritePong(payload) }

func (s *socket) end(code uint16, why string) {
	s.ended.Store(true) // it is counted already
	_ = s.ws.WriteClose(code, []byte(why))
}

// cut ends the connection from where it is read, before what waits to be sent.
func (s *socket) cut(code uint16, why string) {
	s.conn.srv.tally.close(code)
	s.end(code, why)
}

// finish is called once nobody reads any more.
func (s *socket) finish() {
	if s.closing.Load() && !s.broken.Load() {
		_, _ = io.CopyN(io.Discard, s.Conn, drainBytes) // until the other side closes too, or the deadline
	}
	_ = s.Conn.Close()
}

// handler receives what the library reads, in the connection's own goroutine.
type handler struct{}

func (handler) OnOpen(*gws.Conn)         {}
func (handler) OnClose(*gws.Conn, error) {} // run goes on after the loop

func (handler) OnPing(ws *gws.Conn, payload []byte) {
	c := ws.Session().(*attachment).conn
	if c.control() {
		c.sendPong(payload)
	}
}

func (handler) OnPong(ws *gws.Conn, _ []byte) {
	ws.Session().(*attachment).conn.control()
}

func (handler) OnMessage(ws *gws.Conn, m *gws.Message) {
	c := ws.Session().(*attachment).conn
	c.message(m.Opcode == gws.OpcodeText, m.Bytes())
	_ = m.Close()
}
