package bench

import (
	"context"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lxzan/gws"

	"github.com/editlock/editlock/wire"
)

// floorServer passes a turn on to the connection that waits longest. It keeps no lock and checks nothing; all it does is
// to write one record and wait until the disk has it.
type floorServer struct {
	gws.BuiltinEventHandler
	file *os.File

	mu    sync.Mutex
	queue []*gws.Conn
	turns int64
}

// floorRecord is about as long as the record of a lock with a short queue, and the file is written in place, as SQLite does with its WAL.
const (
	floorRecord = 512
	floorFile   = 1 << 20
)

func (s *floorServer) OnMessage(conn *gws.Conn, message *gws.Message) {
	defer func() { _ = message.Close() }()
	r, refused := wire.DecodeRequest(message.Bytes())
	if refused != nil {
		write(conn, refused)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now().UTC()
	switch r := r.(type) {
	case *wire.Acquire:
		s.queue = append(s.queue, conn)
	case *wire.Release:
		s.turns++
		b, err := wire.Encode(r)
		if err == nil {
			record := make([]byte, floorRecord)
			copy(record, b)
			if _, err = s.file.WriteAt(record, s.turns*floorRecord%floorFile); err == nil {
				err = syncData(s.file)
			}
		}
		if err != nil {
			write(conn, &wire.Error{ID: r.ID, Code: wire.Unavailable, Message: err.Error()})
			return
		}
		if len(s.queue) > 0 {
			first := s.queue[0]
			s.queue = s.queue[1:]
			write(first, &wire.Snapshot{Resource: r.Resource, Revision: s.turns, State: wire.Held, Waiting: len(s.queue),
				Holder: &wire.Holder{User: "1", Name: "One", Since: now, You: true},
				Mine:   &wire.Mine{State: "granted", Since: now, Fence: s.turns + 1, ConfirmWithin: 10}})
		}
	}
	write(conn, &wire.OK{ID: r.RequestID()})
}

func write(conn *gws.Conn, f wire.Frame) {
	if b, err := wire.Encode(f); err == nil {
		_ = conn.WriteMessage(gws.OpcodeText, b)
	}
}

// serveBare serves WebSockets of the bare library to a handler, on a port of the loopback.
func serveBare(ends *ending, handler gws.Event) (url string, err error) {
	upgrader := gws.NewUpgrader(handler, &gws.ServerOption{SubProtocols: []string{wire.Subprotocol}, ReadMaxPayloadSize: wire.MaxMessage, CheckUtf8Enabled: true})
	return serve(ends, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if conn, err := upgrader.Upgrade(w, r); err == nil {
			go conn.ReadLoop() // not in the handler, which would keep the memory of net/http with it
		}
	}))
}

func serve(ends *ending, handler http.Handler) (url string, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	srv := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	var served sync.WaitGroup
	served.Go(func() { _ = srv.Serve(l) })
	ends.later(func() { _ = srv.Close(); served.Wait() })
	return "ws://" + l.Addr().String(), nil
}

// floorRelay is a queue at a floorServer.
type floorRelay struct {
	ring  ring
	fence int64 // of the last turn
}

func newFloorRelay(ctx context.Context, ends *ending, dir string, waiters int, heard *atomic.Int64) (*floorRelay, error) {
	file, err := os.Create(filepath.Join(dir, "floor"))
	if err != nil {
		return nil, err
	}
	ends.later(func() { _ = file.Close() })
	if _, err := file.Write(make([]byte, floorFile)); err != nil {
		return nil, err
	}
	if err := file.Sync(); err != nil {
		return nil, err
	}
	url, err := serveBare(ends, &floorServer{file: file})
	if err != nil {
		return nil, err
	}
	f := &floorRelay{fence: 1}
	for i := range waiters + 1 {
		p, err := dial(url, heard)
		if err != nil {
			return nil, err
		}
		ends.later(p.close)
		f.ring.peers = append(f.ring.peers, p)
		if i > 0 {
			if _, err := p.mine(ctx, p.acquire()); err != nil {
				return nil, err
			}
		}
	}
	return f, nil
}

func (f *floorRelay) handOver(ctx context.Context) (time.Duration, error) {
	holder, first := f.ring.pair()
	took, g, err := pass(ctx, holder, first, f.fence)
	if err != nil {
		return 0, err
	}
	if _, err := holder.mine(ctx, holder.acquire()); err != nil {
		return 0, err
	}
	f.fence = g.fence
	f.ring.at++
	return took, nil
}
