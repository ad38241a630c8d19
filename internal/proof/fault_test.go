package proof

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/lxzan/gws"

	"github.com/editlock/editlock/internal/swarm"
	"github.com/editlock/editlock/wire"
)

// crew is 50 pages that hold a resource each and 50 that wait for them.
type crew struct {
	holders, waiters []*swarm.Page
	fences           []int64
}

func article(i int) string { return fmt.Sprint("article/", i) }

func hire(t testing.TB, url string) *crew {
	t.Helper()
	const n = 50
	ctx := within(t)
	c := &crew{make([]*swarm.Page, n), make([]*swarm.Page, n), make([]int64, n)}
	each(t, n, func(i int) (err error) {
		if c.holders[i], err = swarm.Open(ctx, url, token(fmt.Sprint("holder", i))); err != nil {
			return err
		}
		if c.waiters[i], err = swarm.Open(ctx, url, token(fmt.Sprint("waiter", i))); err != nil {
			return err
		}
		if _, err = c.holders[i].Acquire(ctx, article(i), true); err != nil {
			return err
		}
		if c.fences[i], err = c.holders[i].AwaitHeld(ctx, article(i)); err != nil {
			return err
		}
		_, err = c.waiters[i].Acquire(ctx, article(i), true)
		return err
	})
	t.Cleanup(func() {
		for i := range n {
			c.holders[i].Drop()
			c.waiters[i].Drop()
		}
	})
	return c
}

// comeBack lets every page reconnect until it is resumed, and then checks that each is where it was.
func (c *crew) comeBack(t testing.TB) {
	t.Helper()
	ctx := within(t)
	back := func(p *swarm.Page) error {
		if err := again(ctx, p); err != nil {
			return err
		}
		if _, resumed := p.Session(); !resumed {
			return fmt.Errorf("a page got a new session")
		}
		return nil
	}
	each(t, len(c.holders), func(i int) error {
		if err := back(c.holders[i]); err != nil {
			return err
		}
		return back(c.waiters[i])
	})
	c.areWhereTheyWere(t)
}

func (c *crew) areWhereTheyWere(t testing.TB) {
	t.Helper()
	for i := range c.holders {
		if got := c.holders[i].Fence(article(i)); got != c.fences[i] {
			t.Fatalf("%s: fence %d, before %d: %+v", article(i), got, c.fences[i], c.holders[i].Now(article(i)))
		}
		if m := c.waiters[i].Now(article(i)).Mine; m == nil || m.State != "waiting" || m.Position != 1 {
			t.Fatalf("%s: the waiter lost its place: %+v", article(i), m)
		}
	}
}

// handOver lets every holder release, and checks that its waiter has it at once.
func (c *crew) handOver(t testing.TB) {
	t.Helper()
	ctx := within(t)
	each(t, len(c.holders), func(i int) error {
		if err := giveBack(ctx, c.holders[i], article(i), c.fences[i]); err != nil {
			return err
		}
		s, err := await(ctx, c.waiters[i], article(i), holds)
		if err == nil && s.Mine.Fence <= c.fences[i] {
			err = fmt.Errorf("fence %d after %d", s.Mine.Fence, c.fences[i])
		}
		return err
	})
}

// Faults: N1. The usual design left all 100 of 100 locked for ever.
func TestKilledServerCostsNobodyAnything(t *testing.T) {
	t.Parallel()
	s := serve(t)
	c := hire(t, s.url())
	for range 3 {
		s.kill()
		s.start()
		c.comeBack(t)
	}
	c.handOver(t)
}

// Faults: N3. A deploy: pages that stay to the end are closed with 1012, the process ends well, and all come back to
// the next one. That readiness fails first and pages are told to move is shown in package server.
func TestDeployCostsNobodyAnything(t *testing.T) {
	t.Parallel()
	s := serve(t, "--drain=3s")
	c := hire(t, s.url())
	s.signal(syscall.SIGTERM)
	ctx := within(t)
	for i, p := range c.holders {
		err := p.AwaitClosed(ctx)
		var closed *gws.CloseError
		if !asClose(err, &closed) || closed.Code != 1012 {
			t.Fatalf("page %d was closed with %v", i, err)
		}
	}
	select {
	case <-s.done:
	case <-ctx.Done():
		t.Fatal("the server does not stop")
	}
	if code := s.cmd.ProcessState.ExitCode(); code != 0 {
		t.Fatalf("exit status %d", code)
	}
	s.start()
	c.comeBack(t)
	c.handOver(t)
}

func asClose(err error, target **gws.CloseError) bool {
	for err != nil {
		if e, ok := err.(*gws.CloseError); ok {
			*target = e
			return true
		}
		u, ok := err.(interface{ Unwrap() error })
		if !ok {
			return false
		}
		err = u.Unwrap()
	}
	return false
}

// Faults: N4. The server is stopped for less than the TTL, and goes on.
func TestStoppedServerGoesOn(t *testing.T) { stopped(t, "--ttl=30s", 20*time.Second) }

// Faults: N5. The server is stopped for so long that every session's time is over, and any other node would have taken it for dead (10 s, the TTL and 1 s).
// The time that it was stopped counts against nobody: no waiter is let in, and whoever comes back has what they had.
func TestServerStoppedForLongGoesOn(t *testing.T) { stopped(t, "--ttl=10s", 25*time.Second) }

func stopped(t *testing.T, ttl string, d time.Duration) {
	t.Parallel()
	s := serve(t, ttl)
	c := hire(t, s.url())
	s.signal(syscall.SIGSTOP)
	if err := pause(context.Background(), d); err != nil {
		t.Fatal(err)
	}
	s.signal(syscall.SIGCONT)
	// Connections that were given up meanwhile are resumed; the others never noticed, but those whose pong was on its way: the server may
	// take it for late as it goes on. Like every page they come back by themselves.
	for i := range c.holders {
		for _, p := range []*swarm.Page{c.holders[i], c.waiters[i]} {
			if p.Closed() != nil {
				if err := p.Connect(within(t)); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	c.areWhereTheyWere(t)
	c.handOver(t)
}

// What no page would send: an error to that client, and no effect on any lock. Each left the usual design's lock
// stuck, 20 times of 20.
// Faults: A2, B12.
func TestBadFramesAffectNoLock(t *testing.T) {
	t.Parallel()
	s := serve(t)
	ctx := within(t)
	for i, bad := range []struct {
		name   string
		opcode gws.Opcode
		data   string
		closes bool
	}{
		{"malformed JSON", gws.OpcodeText, `{"type":"acquire",`, true},
		{"not an object", gws.OpcodeText, `[1,2,3]`, true},
		{"duplicate members", gws.OpcodeText, `{"id":9,"type":"cancel","resource":"a","resource":"b"}`, true},
		{"deep", gws.OpcodeText, `{"id":9,"type":"watch","resource":"a","x":` + strings.Repeat("[", 50) + strings.Repeat("]", 50) + `}`, true},
		{"binary frame", gws.OpcodeBinary, "\x00\x01", true},
		{"unknown request", gws.OpcodeText, `{"id":999,"type":"steal","resource":"article/0"}`, false},
		{"unknown resource", gws.OpcodeText, `{"id":999,"type":"release","resource":"no/such/thing","fence":1}`, false},
		{"bad resource", gws.OpcodeText, `{"id":999,"type":"acquire","resource":"../etc"}`, false},
		{"no id", gws.OpcodeText, `{"type":"release","resource":"article/0","fence":1}`, false},
	} {
		t.Run(bad.name, func(t *testing.T) {
			for k := range 20 {
				resource := fmt.Sprintf("bad/%d/%d", i, k)
				ana, ben := open(t, s.url(), fmt.Sprintf("ana%d-%d", i, k)), open(t, s.url(), fmt.Sprintf("ben%d-%d", i, k))
				if _, err := ana.Acquire(ctx, resource, true); err != nil {
					t.Fatal(err)
				}
				fence, err := ana.AwaitHeld(ctx, resource)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := ben.Acquire(ctx, resource, true); err != nil {
					t.Fatal(err)
				}
				if err := ana.Conn().WriteMessage(bad.opcode, []byte(bad.data)); err != nil {
					t.Fatal(err)
				}
				if bad.closes {
					if err := ana.AwaitClosed(ctx); err == nil {
						t.Fatal("the connection stays")
					}
					if err := ana.Connect(ctx); err != nil {
						t.Fatal(err)
					}
				}
				if got, err := ana.AwaitHeld(ctx, resource); err != nil || got != fence {
					t.Fatalf("fence %d, before %d: %v", got, fence, err)
				}
				if m := ben.Now(resource).Mine; m == nil || m.State != "waiting" {
					t.Fatalf("the waiter: %+v", m)
				}
				if _, err := ana.Release(ctx, resource, fence, ""); err != nil {
					t.Fatal(err)
				}
				if _, err := ben.AwaitHeld(ctx, resource); err != nil {
					t.Fatal(err)
				}
				ana.Drop()
				ben.Drop()
			}
		})
	}
}

// Faults: B8. A client that vanishes without closing: its process is stopped, and cannot even close its socket.
// The usual design took 30 to 50 s.
func TestStoppedClientGivesWay(t *testing.T) {
	t.Parallel()
	s := serve(t, "--ttl=10s")
	ctx := within(t)
	holder := startHolder(t, s.url(), "ana", "article/1")
	ben := open(t, s.url(), "ben")
	if _, err := ben.Acquire(ctx, "article/1", true); err != nil {
		t.Fatal(err)
	}
	if err := holder.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	if _, err := ben.AwaitHeld(ctx, "article/1"); err != nil {
		t.Fatal(err)
	}
	took := time.Since(start)
	t.Logf("the next one was in after %v (TTL 10 s)", took.Round(100*time.Millisecond))
	if took > 15*time.Second {
		t.Fatalf("the next one was in only after %v", took)
	}
}

// Faults: W1, W2. The network of the holder is cut without a close: both ways, or one way only.
func TestCutNetworkGivesWayAfterTheClientStopsToBelieve(t *testing.T) {
	t.Parallel()
	for _, cut := range []struct {
		name     string
		up, down bool // what is dropped: to the server, from the server
	}{{"both ways", true, true}, {"to the server", true, false}, {"from the server", false, true}} {
		t.Run(cut.name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, "--ttl=10s")
			ctx := within(t)
			cable := newCable(t, s.addr)
			ana, ben := open(t, "http://"+cable.addr+"/editlock", "ana"), open(t, s.url(), "ben")
			if _, err := ana.Acquire(ctx, "article/1", true); err != nil {
				t.Fatal(err)
			}
			if _, err := ana.AwaitHeld(ctx, "article/1"); err != nil {
				t.Fatal(err)
			}
			if _, err := ben.Acquire(ctx, "article/1", true); err != nil {
				t.Fatal(err)
			}
			cable.cut(cut.up, cut.down)
			start := time.Now()
			s2, err := ben.Await(ctx, "article/1", func(s wire.Snapshot) bool { return s.Mine != nil && s.Mine.State == "held" })
			if err != nil {
				t.Fatal(err)
			}
			took := time.Since(start)
			t.Logf("the next one was in after %v (TTL 10 s)", took.Round(100*time.Millisecond))
			if took > 15*time.Second {
				t.Fatalf("the next one was in only after %v: %+v", took, s2)
			}
			// TTL less margin after the last pong that reached the server, at the latest, Ana's page stops to believe.
			if took < 10*time.Second-2500*time.Millisecond {
				t.Fatalf("the next one was in after %v already, when Ana's page may still believe", took)
			}
		})
	}
}

// cable is a TCP proxy that can stop to carry bytes without closing anything.
type cable struct {
	addr string
	mu   sync.Mutex
	up   bool
	down bool
}

func newCable(t testing.TB, to string) *cable {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	c := &cable{addr: l.Addr().String()}
	go func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", to)
			if err != nil {
				_ = near.Close()
				continue
			}
			t.Cleanup(func() { _, _ = near.Close(), far.Close() })
			go c.carry(near, far, &c.up)
			go c.carry(far, near, &c.down)
		}
	}()
	return c
}

func (c *cable) cut(up, down bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.up, c.down = up, down
}

// carry copies until an end closes; what is read while the cable is cut is lost, and so is a close.
func (c *cable) carry(from io.ReadWriteCloser, to io.ReadWriteCloser, cut *bool) {
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		c.mu.Lock()
		lost := *cut
		c.mu.Unlock()
		if !lost && n > 0 {
			if _, werr := to.Write(buf[:n]); werr != nil {
				return
			}
		}
		if err != nil {
			if !lost {
				_ = to.Close()
			}
			return
		}
	}
}
