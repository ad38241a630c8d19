//go:build linux

package nemesis

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/editlock/editlock/internal/history"
)

// trouble is what is wrong with a cable.
type trouble struct {
	holdUp, holdDown bool          // bytes wait, as those of a pulled cable that is plugged in again
	doom             bool          // what is open now carries nothing any more, and is never closed by the network
	refuse           bool          // no new connections
	delay            time.Duration // at most, anew for each connection
	rate             int           // bytes a second, 0: as many as there are
}

// cable is the network between a group of clients and the server.
type cable struct {
	name   string
	addr   string
	target string
	say    func(history.Line)

	mu      sync.Mutex
	now     trouble
	changed chan struct{}
	strands map[*strand]struct{}
}

// strand is one connection.
type strand struct {
	near, far net.Conn
	doomed    atomic.Bool
	delay     atomic.Int64
	lastUp    atomic.Int64
}

// lay lays a cable. It ends, with all its connections, when ctx does.
func lay(ctx context.Context, name, target string, say func(history.Line)) (*cable, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	c := &cable{name: name, addr: l.Addr().String(), target: target, say: say, changed: make(chan struct{}), strands: map[*strand]struct{}{}}
	context.AfterFunc(ctx, func() { _ = l.Close() })
	go func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			go c.connect(ctx, near)
		}
	}()
	return c, nil
}

// set makes t what is wrong from now on; the zero trouble heals.
func (c *cable) set(t trouble, share func(max time.Duration) time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = t
	for w := range c.strands {
		if t.doom {
			w.doomed.Store(true)
		}
		w.delay.Store(int64(share(t.delay)))
	}
	close(c.changed)
	c.changed = make(chan struct{})
}

// cut ends all connections at once, with a reset.
func (c *cable) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for w := range c.strands {
		w.close()
	}
}

// bury ends what was doomed.
func (c *cable) bury() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for w := range c.strands {
		if w.doomed.Load() {
			w.close()
		}
	}
}

func (w *strand) close() {
	for _, end := range []net.Conn{w.near, w.far} {
		if tcp, ok := end.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0)
		}
		_ = end.Close()
	}
}

func (c *cable) trouble() (trouble, <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now, c.changed
}

// await waits until ok.
func (c *cable) await(ctx context.Context, ok func(trouble) bool) (trouble, error) {
	for {
		t, changed := c.trouble()
		if ok(t) {
			return t, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return t, ctx.Err()
		}
	}
}

func (c *cable) connect(ctx context.Context, near net.Conn) {
	defer func() { _ = near.Close() }()
	if t, err := c.await(ctx, func(t trouble) bool { return !t.holdUp && !t.holdDown && !t.doom }); err != nil || t.refuse {
		return
	}
	far, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, "tcp", c.target)
	if err != nil {
		return
	}
	w := &strand{near: near, far: far}
	defer w.close()
	stop := context.AfterFunc(ctx, w.close)
	defer stop()
	c.mu.Lock()
	c.strands[w] = struct{}{}
	c.mu.Unlock()
	var both sync.WaitGroup
	both.Go(func() {
		c.carry(ctx, w, near, far, func(t trouble) bool { return t.holdUp }, func() { w.lastUp.Store(now()) })
	})
	both.Go(func() {
		c.carry(ctx, w, far, near, func(t trouble) bool { return t.holdDown }, func() {})
	})
	both.Wait()
	c.mu.Lock()
	delete(c.strands, w)
	c.mu.Unlock()
	c.say(history.Line{Kind: history.Port, T: max(1, w.lastUp.Load()), Port: near.RemoteAddr().(*net.TCPAddr).Port})
}

type parcel struct {
	data []byte
	due  time.Time
}

// carry copies one way until an end closes, as the trouble lets it.
func (c *cable) carry(ctx context.Context, w *strand, from, to net.Conn, held func(trouble) bool, arrived func()) {
	parcels := make(chan parcel, 64)
	var reader sync.WaitGroup
	reader.Go(func() {
		defer close(parcels)
		for {
			buf := make([]byte, 8<<10)
			n, err := from.Read(buf)
			if n > 0 {
				select {
				case parcels <- parcel{buf[:n], time.Now().Add(time.Duration(w.delay.Load()))}:
				case <-ctx.Done():
					return
				}
			}
			if err != nil {
				return
			}
		}
	})
	for p := range parcels {
		t, err := c.await(ctx, func(t trouble) bool { return w.doomed.Load() || !held(t) })
		if err != nil {
			break
		}
		if w.doomed.Load() {
			continue // lost
		}
		if t.rate > 0 {
			p.due = p.due.Add(time.Duration(len(p.data)) * time.Second / time.Duration(t.rate))
		}
		if wait := time.Until(p.due); wait > 0 && pause(ctx, wait) != nil {
			break
		}
		if _, err := to.Write(p.data); err != nil {
			break
		}
		arrived()
	}
	if w.doomed.Load() { // not even the end arrives; a peer that closed has its own end closed by bury
		_, _ = c.await(ctx, func(t trouble) bool { return !t.doom })
	} else {
		_, _ = c.await(ctx, func(t trouble) bool { return !held(t) })
	}
	w.close()
	for range parcels {
	}
	reader.Wait()
}

func pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
