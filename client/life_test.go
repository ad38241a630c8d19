package client_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/editlock/editlock"
	"github.com/editlock/editlock/client"
	"github.com/editlock/editlock/server"
	"github.com/editlock/editlock/wire"
)

// Faults: W7, N1. The session goes on at any address of the list, when one of them is gone.
func TestGoesOnAtAnotherAddress(t *testing.T) {
	virtual(t, roomy, func(t *testing.T, w *world) {
		var gone atomic.Pointer[string]
		var used sync.Map
		ana := w.session("1", "Ana", func(o *client.Options) {
			o.Servers = []string{"http://one.test", "http://two.test"}
			o.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
				if g := gone.Load(); g != nil && *g == address {
					return nil, errors.New("connection refused")
				}
				used.Store(address, true)
				return w.net.dial(ctx, network, address)
			}
		})
		a := w.acquire(ana)
		for _, address := range []string{"one.test:80", "two.test:80", "one.test:80"} {
			gone.Store(&address)
			w.net.reset()
			pass(30 * time.Second)
			w.holds(a)
			if _, err := ana.Try(t.Context(), "article/43"); err != nil {
				t.Fatalf("without %s: %v", address, err)
			}
		}
		if _, two := used.Load("two.test:80"); !two {
			t.Error("the second address was never used")
		}
	})
}

// The lock token proves the hold, and is renewed while it lasts.
func TestLockToken(t *testing.T) {
	virtual(t, roomy, func(t *testing.T, w *world) {
		ana := w.session("1", "Ana")
		a := w.acquire(ana)
		first := a.Token()
		for range 20 {
			renewed := a.Renewed()
			<-renewed
			lock, err := wire.VerifyLock(wire.Keys{lockKey}, a.Token(), time.Now())
			if err != nil || lock.Fence != a.Fence() || lock.Resource != doc || lock.User != "1" {
				t.Fatalf("%+v, %v", lock, err)
			}
		}
		if a.Token() == first {
			t.Error("it was never renewed")
		}
	})
}

// The access token is renewed before it expires; where that fails for long, the client gets a new one and comes back.
func TestAccessTokenIsRenewed(t *testing.T) {
	virtual(t, roomy, func(t *testing.T, w *world) {
		var asked, broken, dialled atomic.Int32
		ana := w.session("1", "Ana", func(o *client.Options) {
			o.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
				dialled.Add(1)
				return w.net.dial(ctx, network, address)
			}
			o.Token = func(context.Context) (string, error) {
				asked.Add(1)
				if broken.Load() > 0 {
					broken.Add(-1)
					return "", errors.New("the application does not answer")
				}
				return token(editlock.User{ID: "1", Name: "Ana"}, 5*time.Minute), nil
			}
		})
		a := w.acquire(ana)
		pass(time.Hour)
		w.holds(a)
		if n := asked.Load(); n < 12 || n > 30 {
			t.Errorf("asked %d times for tokens of 5 min in an hour", n)
		}
		if n := dialled.Load(); n != 1 {
			t.Errorf("connected %d times, since the server was not given fresh tokens", n)
		}
		broken.Store(20) // beyond the end of the present one: closed with 4200
		<-a.Context().Done()
		if b := w.acquire(ana); b.Fence() != a.Fence() {
			t.Errorf("fence %d after %d", b.Fence(), a.Fence())
		}
	})
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	virtual(t, server.Options{MaxPerUser: 2}, func(t *testing.T, w *world) {
		good := w.options(editlock.User{ID: "1", Name: "Ana"})
		down := errors.New("no network")
		for _, c := range []struct {
			name   string
			change func(*client.Options)
			is     error
			says   string
		}{
			{"no server", func(o *client.Options) { o.Servers = nil }, nil, "Servers is empty"},
			{"no address", func(o *client.Options) { o.Servers = []string{"localhost:80"} }, nil, "https://app.example.com"},
			{"no token", func(o *client.Options) { o.Token = nil }, nil, "Token is missing"},
			{"an empty token", func(o *client.Options) { o.Token = func(context.Context) (string, error) { return "", nil } }, nil, "empty"},
			{"a function that fails", func(o *client.Options) { o.Token = func(context.Context) (string, error) { return "", down } }, down, "access token"},
			{"a token that is none", func(o *client.Options) { o.Token = func(context.Context) (string, error) { return "a.b.c", nil } }, client.ErrUnauthenticated, "token"},
			{"no network", func(o *client.Options) {
				o.Dial = func(context.Context, string, string) (net.Conn, error) { return nil, down }
			}, editlock.ErrUnavailable, "no network"},
			{"another base path", func(o *client.Options) { o.Servers = []string{w.url + "/wrong"} }, editlock.ErrUnavailable, "404"},
		} {
			o := good
			c.change(&o)
			began := time.Now()
			s, err := client.Open(t.Context(), o)
			if err == nil || c.is != nil && !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%s: %v, %v", c.name, s, err)
			}
			if took := time.Since(began); took > 11*time.Second {
				t.Errorf("%s: took %v", c.name, took)
			}
		}
		w.session("1", "Ana")
		w.session("1", "Ana")
		if _, err := client.Open(t.Context(), good); !errors.Is(err, editlock.ErrTooManySessions) {
			t.Errorf("a third session of two: %v", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := client.Open(ctx, good); !errors.Is(err, context.Canceled) {
			t.Errorf("given up: %v", err)
		}
	})
}

// Rights that the token does not give are named.
func TestForbidden(t *testing.T) {
	virtual(t, roomy, func(t *testing.T, w *world) {
		s := w.session("1", "Ana", func(o *client.Options) {
			o.Token = func(context.Context) (string, error) {
				return appKey.Sign("JWT", map[string]any{
					"sub": "1", "name": "Ana", "rights": []string{"edit:page/*"}, "iss": "app", "aud": "editlock", "exp": time.Now().Add(time.Hour).Unix(),
				})
			}
		})
		if _, err := s.Acquire(t.Context(), doc); !errors.Is(err, client.ErrForbidden) {
			t.Error(err)
		}
		if _, err := s.Watch(t.Context(), "article/"); !errors.Is(err, client.ErrForbidden) {
			t.Error(err)
		}
		if _, err := s.Try(t.Context(), "page/1"); err != nil {
			t.Error(err)
		}
	})
}

// Faults: B11. A session that somebody else has taken over, with a copied token, say: its locks are not believed in any more, and the
// client goes on with a session of its own.
func TestReplaced(t *testing.T) {
	virtual(t, roomy, func(t *testing.T, w *world) {
		wiretap := &tap{}
		ana := w.session("1", "Ana", func(o *client.Options) {
			o.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
				c, err := w.net.dial(ctx, network, address)
				return &tapped{c, wiretap}, err
			}
		})
		a := w.acquire(ana)
		thief, err := w.m.Connect(t.Context(), editlock.Connect{
			User: editlock.User{ID: "1", Name: "Ana"}, Nonce: "another", Resume: &editlock.Resume{Session: wiretap.session(t), Epoch: 1},
		})
		if err != nil {
			t.Fatal(err)
		}
		taken := time.Now()
		<-a.Context().Done()
		if cause := context.Cause(a.Context()); !errors.Is(cause, editlock.ErrUnsure) {
			t.Errorf("the cause is %v", cause)
		}
		if took := time.Since(taken); took > 100*time.Millisecond {
			t.Errorf("she believes for %v after she was told", took)
		}
		if snaps := thief.Snapshots(); len(snaps) != 1 || snaps[0].Mine.Fence != a.Fence() {
			t.Fatalf("%+v", snaps)
		}
		if _, err := thief.Release(t.Context(), doc, a.Fence(), ""); err != nil {
			t.Fatal(err)
		}
		if b := w.acquire(ana); b.Fence() <= a.Fence() {
			t.Errorf("fence %d after %d", b.Fence(), a.Fence())
		}
	})
}

// A program that becomes another user: the session of the first stays behind with what it has, and the program goes on with one of its own.
func TestAnotherUser(t *testing.T) {
	virtual(t, roomy, func(t *testing.T, w *world) {
		var other atomic.Bool
		s := w.session("1", "Ana", func(o *client.Options) {
			o.Token = func(context.Context) (string, error) {
				if other.Load() {
					return token(editlock.User{ID: "2", Name: "Ben"}, time.Hour), nil
				}
				return token(editlock.User{ID: "1", Name: "Ana"}, 20*time.Second), nil
			}
		})
		a := w.acquire(s)
		other.Store(true)
		w.net.reset()
		<-a.Context().Done()
		if b := w.acquire(s); b.Fence() <= a.Fence() {
			t.Errorf("fence %d after %d", b.Fence(), a.Fence())
		}
		if snap, err := w.m.Get(t.Context(), doc); err != nil || snap.Holder == nil || snap.Holder.User.ID != "2" {
			t.Errorf("%+v, %v", snap.Holder, err)
		}
	})
}

// tap hears what the server says.
type tap struct {
	mu   sync.Mutex
	text []byte
}

type tapped struct {
	net.Conn
	tap *tap
}

func (c *tapped) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.tap.mu.Lock()
	c.tap.text = append(c.tap.text, p[:n]...)
	c.tap.mu.Unlock()
	return n, err
}

// session is the name of the session that was welcomed.
func (t *tap) session(tb testing.TB) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, rest, ok := strings.Cut(string(t.text), `"session":"`)
	id, _, end := strings.Cut(rest, `"`)
	if !ok || !end {
		tb.Fatalf("no welcome in %q", t.text)
	}
	return id
}

// A program that acquires one resource after another is not told of all of them for ever.
func TestManyResourcesOneAfterAnother(t *testing.T) {
	virtual(t, roomy, func(t *testing.T, w *world) {
		ana := w.session("1", "Ana")
		for i := range 1500 { // more than a connection may watch
			lock, err := ana.Acquire(t.Context(), "article/"+string(rune('a'+i%26))+strings.Repeat("x", i/26))
			if err != nil {
				t.Fatal(i, err)
			}
			if err := lock.Release(t.Context()); err != nil {
				t.Fatal(i, err)
			}
		}
	})
}

// A server that limits messages more strictly than the client expects: it waits, and nothing fails.
func TestStrictServer(t *testing.T) {
	virtual(t, server.Options{Rate: 2, Burst: 2}, func(t *testing.T, w *world) {
		ana := w.session("1", "Ana")
		var all sync.WaitGroup
		for i := range 10 {
			all.Go(func() {
				if _, err := ana.Acquire(t.Context(), "article/"+string(rune('a'+i))); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
	})
}

// Faults: N3. Of many who are told to move, each goes at a moment of its own: the next server is not overrun, and nobody waits to be thrown out.
func TestMovesAreSpread(t *testing.T) {
	const many, drain = 60, 20 * time.Second
	o := roomy
	o.DrainTime = drain
	virtual(t, o, func(t *testing.T, w *world) {
		var mu sync.Mutex
		moved := map[int]time.Duration{} // the first attempt of each
		var begun time.Time
		for i := range many {
			w.session(fmt.Sprint(i), "Somebody", func(o *client.Options) {
				o.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
					mu.Lock()
					if _, again := moved[i]; !begun.IsZero() && !again {
						moved[i] = time.Since(begun)
					}
					mu.Unlock()
					return w.net.dial(ctx, network, address)
				}
			})
		}
		mu.Lock()
		begun = time.Now()
		mu.Unlock()
		w.s.Drain(t.Context())
		mu.Lock()
		defer mu.Unlock()
		if len(moved) < many {
			t.Fatalf("%d of %d have moved", len(moved), many)
		}
		perSecond := map[int]int{}
		for _, d := range moved {
			perSecond[int(d/time.Second)]++
		}
		if len(perSecond) < 10 {
			t.Errorf("they all moved within %d seconds of %v: %v", len(perSecond), drain, perSecond)
		}
		for second, n := range perSecond {
			if n > many/3 {
				t.Errorf("%d of %d moved in second %d", n, many, second)
			}
		}
	})
}

// Faults: N3. A server that is going to stop: the client moves, and is not told twice.
func TestMove(t *testing.T) {
	virtual(t, server.Options{DrainTime: 20 * time.Second}, func(t *testing.T, w *world) {
		var dialled atomic.Int32
		ana := w.session("1", "Ana", func(o *client.Options) {
			o.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
				dialled.Add(1)
				return w.net.dial(ctx, network, address)
			}
		})
		a := w.acquire(ana)
		w.s.Drain(t.Context())
		w.holds(a)
		if dialled.Load() < 2 {
			t.Error("she was told to move, and waits to be thrown out")
		}
		if err := w.s.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.holds(a) // for a while yet
		<-a.Context().Done()
		if !errors.Is(context.Cause(a.Context()), editlock.ErrUnsure) {
			t.Error(context.Cause(a.Context()))
		}
	})
}
